//! The catalogue of causes, `docs/errors.md`, by section.

use crate::Code;

const CATALOGUE: &str = include_str!("../../docs/errors.md");

/// What the catalogue says of a code: each part as it stands there, without its heading.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Explanation {
    /// What the code stands for, in a line.
    pub title: &'static str,
    /// What goes wrong.
    pub cause: &'static str,
    /// How one cause is told from another.
    pub told_apart: &'static str,
    /// What to do.
    pub fix: &'static str,
    /// What is good to know besides.
    pub background: &'static str,
}

impl Explanation {
    /// The section on `code`, by its parts.
    pub fn of(code: Code) -> Self {
        let text = explanation(code);
        let heading = text.lines().next().unwrap_or_default();
        let names = ["\nCause:", "\nTold apart:", "\nFix:", "\nBackground:"];
        let part = |index: usize| {
            let Some(start) = text.find(names[index]) else { return "" };
            let rest = &text[start + names[index].len()..];
            let end = names.get(index + 1).and_then(|next| rest.find(next)).unwrap_or(rest.len());
            rest[..end].trim()
        };
        let title = heading.split_once(&format!("{code} ")).map_or("", |(_, title)| title);
        Self { title, cause: part(0), told_apart: part(1), fix: part(2), background: part(3) }
    }
}

/// The section of `docs/errors.md` on `code`, in Markdown, with its heading.
pub fn explanation(code: Code) -> &'static str {
    let heading = format!("\n## {code} ");
    let Some(start) = CATALOGUE.find(&heading) else { return "" };
    let section = &CATALOGUE[start + 1..];
    section.find("\n## ").map_or(section, |end| &section[..=end]).trim_end()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_its_section_and_every_section_its_parts() {
        for code in Code::ALL {
            let text = explanation(code);
            assert!(text.starts_with(&format!("## {code} ")), "{code}");
            assert!(text.matches("## ").count() == 1, "{code}: {text}");
            let parts = Explanation::of(code);
            let all = [parts.title, parts.cause, parts.told_apart, parts.fix, parts.background];
            assert!(all.iter().all(|part| part.len() > 10), "{code}: {parts:?}");
            // Nothing but the names of the parts stands between them.
            let length: usize = all.iter().map(|part| part.len()).sum();
            let names = "## E Cause: Told apart: Fix: Background: \n\n\n\n\n\n\n\n\n".len() + 4;
            assert!(length + names >= text.len(), "{code}: {} of {}", length, text.len());
        }
    }

    #[test]
    fn a_section_fits_a_terminal() {
        for line in Code::ALL.into_iter().flat_map(|code| explanation(code).lines()) {
            assert!(line.chars().count() <= 80, "{line}");
        }
    }

    #[test]
    fn there_is_no_section_without_a_code() {
        let sections = CATALOGUE.lines().filter(|line| line.starts_with("## ")).count();
        assert_eq!(sections, Code::ALL.len());
    }
}
