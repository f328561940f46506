//! Text in lines of 80 columns: a name on the left, what is said of it on the right.

use std::fmt::Write as _;

/// Columns of a terminal that nobody has made wider.
const COLUMNS: usize = 80;
/// Where values begin.
const VALUES: usize = 16;

/// A page that is being written.
pub struct Page<'a> {
    text: String,
    heading: &'a dyn Fn(&str) -> String,
}

impl<'a> Page<'a> {
    /// An empty page, whose headings are painted by `heading`.
    pub fn new(heading: &'a dyn Fn(&str) -> String) -> Self {
        Self { text: String::new(), heading }
    }

    /// A heading, with words behind it.
    pub fn heading(&mut self, title: &str, rest: &str) {
        if !self.text.is_empty() {
            self.text.push('\n');
        }
        let start = self.text.len();
        self.wrap(&format!("{title}  "), rest, 2);
        // Painted last: what paints it takes no columns.
        self.text.replace_range(start..start + title.len(), &(self.heading)(title));
    }

    /// A name and its value, which goes on below itself where it is long.
    pub fn line(&mut self, name: &str, value: impl AsRef<str>) {
        let name = format!("  {name:<width$}", width = VALUES - 2);
        self.wrap(&name, value.as_ref(), VALUES);
    }

    /// As [`Page::line`], where there is a value.
    pub fn optional(&mut self, name: &str, value: Option<impl AsRef<str>>) {
        value.into_iter().for_each(|value| self.line(name, value));
    }

    /// A sentence of its own, `indent` columns in.
    pub fn sentence(&mut self, indent: usize, text: &str) {
        self.wrap(&" ".repeat(indent), text, indent);
    }

    /// The text.
    pub fn text(self) -> String {
        self.text
    }

    /// Words behind `first`, on as many lines as it takes, each but the first `indent` columns in.
    fn wrap(&mut self, first: &str, words: &str, indent: usize) {
        let mut line = first.to_string();
        let mut is_empty = true;
        for word in words.split(' ') {
            let columns = line.chars().count() + usize::from(!is_empty) + word.chars().count();
            if !is_empty && columns > COLUMNS {
                let _ = writeln!(self.text, "{}", line.trim_end());
                (line, is_empty) = (" ".repeat(indent), true);
            }
            if !is_empty {
                line.push(' ');
            }
            line.push_str(word);
            is_empty = false;
        }
        let _ = writeln!(self.text, "{}", line.trim_end());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_value_goes_on_below_itself() {
        let mut page = Page::new(&str::to_string);
        page.heading("A", "b");
        page.line("name", "word ".repeat(30));
        page.heading("C", "");
        page.optional("none", None::<&str>);
        let text = page.text();
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines[0], "A  b");
        assert!(lines[1].starts_with("  name          word word"), "{text}");
        assert!(lines[2].starts_with("                word"), "{text}");
        assert!(lines.iter().all(|line| line.chars().count() <= 80 && !line.ends_with(' ')), "{text}");
        assert_eq!(lines[lines.len() - 2..], ["", "C"]);
        let mut page = Page::new(&|title| format!("<{title}>"));
        page.heading("A", &"word ".repeat(20));
        assert!(page.text().starts_with("<A>  word word"), "a heading goes on as well");
        let mut page = Page::new(&str::to_string);
        page.heading("A", &"word ".repeat(20));
        assert!(page.text().lines().all(|line| line.chars().count() <= 80));
        let mut page = Page::new(&str::to_string);
        page.sentence(8, &"x".repeat(100));
        assert_eq!(page.text(), format!("{}{}\n", " ".repeat(8), "x".repeat(100)), "a word stays whole");
    }
}
