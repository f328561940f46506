//! Colours: where a person looks, and wants them; nowhere else is there ever an escape sequence.

use crate::run::Shown;
use crate::tree::ROWS;

const ESCAPE: char = '\x1b';

#[test]
fn without_a_terminal_there_is_no_escape_sequence() {
    for row in ROWS {
        for more in [&[][..], &["--help"], &["--no-such"], &["--json"], &["-vv"]] {
            let said = row.run_in(more, |command| {
                command.envs([
                    ("TERM", "xterm-256color"),
                    ("CLICOLOR_FORCE", "1"),
                    ("RUST_LOG_STYLE", "always"),
                ]);
            });
            assert!(!said.stdout.contains(ESCAPE) && !said.stderr.contains(ESCAPE), "{said:?}");
        }
    }
}

#[test]
fn on_a_terminal_there_are_colours_unless_refused() {
    // Findings, help, a mistake, a failure.
    for words in [&["doctor"][..], &["--help"], &["lisst"], &["explain", "E0"]] {
        let shown = on_a_terminal(words, &[("TERM", "xterm")]);
        assert!(shown.contains(ESCAPE), "{words:?}: {shown}");
        for refused in [
            &[("TERM", "dumb")][..],
            &[("TERM", "xterm"), ("NO_COLOR", "1")],
            &[("TERM", "xterm"), ("CLICOLOR", "0")],
        ] {
            let shown = on_a_terminal(words, refused);
            assert!(!shown.contains(ESCAPE) && !shown.is_empty(), "{words:?} {refused:?}: {shown}");
        }
        // A document has none.
        let shown = on_a_terminal(&[words, &["--json"]].concat(), &[("TERM", "xterm")]);
        assert!(!shown.contains(ESCAPE) || words == ["--help"], "{words:?}: {shown}");
    }
}

#[test]
fn messages_end_where_the_terminal_does() {
    let shown = on_a_terminal(&["explain", "a_code_that_makes_this_line_longer"], &[("TERM", "dumb")]);
    let wanted = "\
error: look-up of error code
  \"a_code_that_makes_this_line_longer\"
  failed
  why: the catalogue holds E1 to E15
";
    assert_eq!(shown, wanted);
}

fn on_a_terminal(words: &[&str], environment: &[(&str, &str)]) -> String {
    Shown::on_a_terminal(40, words, |command| {
        command.envs(environment.iter().copied());
    })
    .text
}
