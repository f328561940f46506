//! The catalogue of causes, `docs/errors.md`, by section.

use crate::Code;

const CATALOGUE: &str = include_str!("../../docs/errors.md");

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
    fn every_code_has_its_section() {
        for code in Code::ALL {
            let text = explanation(code);
            assert!(text.starts_with(&format!("## {code} ")), "{code}");
            assert!(text.len() > 200 && text.matches("## ").count() == 1, "{code}: {text}");
        }
    }
}
