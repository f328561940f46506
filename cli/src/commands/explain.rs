//! `dirql explain CODE`: what an error code means.

use dirql::Code;
use dirql::host::{Explanation, explanation};
use serde_json::json;

use crate::output::{Outcome, Output};
use crate::wrap::markdown;

/// The columns of a page of text, where the terminal has them.
const COLUMNS: usize = 80;

/// Prints the catalogue's section on the code.
pub fn explain(code: &str, output: &mut Output) -> Outcome {
    let code: Code = code.parse()?;
    let text = explanation(code);
    if output.is_json() {
        let Explanation { title, cause, told_apart, fix, background } = Explanation::of(code);
        return output.document(&json!({
            "code": code.to_string(),
            "title": title,
            "cause": cause,
            "told_apart": told_apart,
            "fix": fix,
            "background": background,
            "text": text,
        }));
    }
    output.text(&markdown(text, output.width().unwrap_or(COLUMNS).min(COLUMNS)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_explained() {
        for code in Code::ALL {
            let text = explanation(code);
            assert!(text.starts_with(&format!("## {code} ")) && text.lines().count() > 3, "{code}: {text}");
        }
    }
}
