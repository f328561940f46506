//! `dirql completions SHELL`: what a shell needs to complete the command.

use clap::CommandFactory as _;
use clap_complete::{Shell, generate};

use crate::args::Cli;
use crate::output::{Outcome, Output};

/// Prints the script.
pub fn completions(shell: Shell, output: &mut Output) -> Outcome {
    let script = script(shell);
    if output.is_json() {
        return output.document(&serde_json::json!({ "shell": shell.to_string(), "script": script }));
    }
    output.text(&script)
}

fn script(shell: Shell) -> String {
    let mut script = Vec::new();
    generate(shell, &mut Cli::command(), "dirql", &mut script);
    String::from_utf8_lossy(&script).into_owned()
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn each_shell_learns_every_command() {
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
            let script = script(shell);
            for word in ["doctor", "restore", "selftest", "dry-run"] {
                assert!(script.contains(word), "{shell}: {word}");
            }
        }
    }

    /// Asked for what may follow `dirql re`, bash says what does.
    #[test]
    fn bash_completes_by_it() {
        let ask = "COMP_WORDS=(dirql re); COMP_CWORD=1; _dirql dirql re dirql; echo \"${COMPREPLY[@]}\"";
        let line = format!("{}\n{ask}", script(Shell::Bash));
        let output = Command::new("bash").args(["--norc", "-c", &line]).output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        let mut words: Vec<_> = said.split_whitespace().collect();
        words.sort_unstable();
        assert_eq!(words, ["regs", "reset", "restore"], "{output:?}");
    }
}
