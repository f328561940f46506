//! Lines that end where a reader's terminal does.

/// The text in lines of no more than `width` columns, broken between words; all but the first begin with `hang` spaces.
///
/// What stands between backticks is kept together where it fits into a line; a word that does not is not broken.
pub fn wrap(text: &str, width: usize, hang: usize) -> String {
    let (mut wrapped, mut column) = (String::new(), 0);
    let room = width.saturating_sub(hang);
    let pieces = words(text).into_iter().flat_map(|word| match columns(word) > room {
        true => word.split(' ').filter(|word| !word.is_empty()).collect(),
        false => vec![word],
    });
    for mut word in pieces {
        if column > 0 && column + 1 + columns(word) > width {
            wrapped.push('\n');
            wrapped.extend(std::iter::repeat_n(' ', hang));
            (column, word) = (hang, word.trim_start());
        } else if column > 0 {
            wrapped.push(' ');
            column += 1;
        }
        wrapped.push_str(word);
        column += columns(word);
    }
    wrapped
}

/// The words of a line, each with what follows its backtick. Where there is more than one space, the others are kept
/// with the word behind them.
fn words(line: &str) -> Vec<&str> {
    let (mut words, mut start, mut begun, mut code) = (Vec::new(), 0, false, false);
    for (at, letter) in line.char_indices() {
        match letter {
            '`' => (begun, code) = (true, !code),
            ' ' if begun && !code => {
                words.push(&line[start..at]);
                (start, begun) = (at + 1, false);
            }
            ' ' => {}
            _ => begun = true,
        }
    }
    if begun {
        words.push(&line[start..]);
    }
    words
}

/// How wide a word is on a terminal: escape sequences for colours take no room.
fn columns(word: &str) -> usize {
    let (mut columns, mut escaped) = (0, false);
    for letter in word.chars() {
        match letter {
            '\x1b' => escaped = true,
            'm' if escaped => escaped = false,
            _ => columns += usize::from(!escaped),
        }
    }
    columns
}

/// Markdown with its paragraphs and items wrapped anew. Headings, and what is fenced, stay as they are.
pub fn markdown(text: &str, width: usize) -> String {
    let (mut blocks, mut fence) = (Vec::<(String, bool)>::new(), false);
    for line in text.lines() {
        let fences = line.trim_start().starts_with("```");
        let stays = fence || fences || line.is_empty() || line.starts_with('#');
        fence ^= fences;
        match blocks.last_mut() {
            Some((block, false)) if !stays && !is_item(line) => {
                block.push(' ');
                block.push_str(line.trim_start());
            }
            _ => blocks.push((line.to_owned(), stays)),
        }
    }
    let lines = blocks.into_iter().map(|(block, stays)| match stays {
        true => block,
        false => wrap(&block, width, indent(&block) + if is_item(&block) { 2 } else { 0 }),
    });
    lines.map(|line| line + "\n").collect()
}

fn is_item(line: &str) -> bool {
    line.trim_start().starts_with("- ")
}

/// The spaces that a line begins with.
pub fn indent(line: &str) -> usize {
    line.len() - line.trim_start().len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_end_between_words() {
        assert_eq!(wrap("one two three", 7, 2), "one two\n  three");
        assert_eq!(wrap("  why: one two three", 13, 7), "  why: one\n       two\n       three");
        assert_eq!(wrap("a  b   c  d", 8, 2), "a  b   c\n  d");
        assert_eq!(wrap("", 80, 2), "");
        assert_eq!(wrap("/a/very/long/path is kept", 10, 2), "/a/very/long/path\n  is kept");
        assert_eq!(wrap("äö üß", 5, 0), "äö üß");
        assert_eq!(wrap("\x1b[1mone\x1b[0m two three", 7, 2), "\x1b[1mone\x1b[0m two\n  three");
    }

    #[test]
    fn code_is_kept_together_where_it_fits() {
        assert_eq!(wrap("run `a b c`, now", 11, 2), "run\n  `a b c`,\n  now");
        assert_eq!(wrap("run `aa bb cc dd`", 8, 2), "run `aa\n  bb cc\n  dd`");
        assert_eq!(wrap("it `never ends", 9, 0), "it `never\nends");
    }

    #[test]
    fn paragraphs_and_items_are_joined_first() {
        let text = "## A heading that stays as it is\n\nA paragraph\nof words.\n\n- an item\n  goes on\n  - below it\n```\na  b\n```";
        assert_eq!(
            markdown(text, 14),
            "## A heading that stays as it is\n\nA paragraph of\nwords.\n\n- an item goes\n  on\n  - below it\n```\na  b\n```\n"
        );
    }
}
