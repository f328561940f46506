//! `dirql explain CODE`: what an error code means.

use dirql::Code;
use dirql::host::explanation;
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
        return output.document(&json!({ "code": code.to_string(), "text": text }));
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
