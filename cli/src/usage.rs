//! A command line that cannot be read, and one that asks for help.

use std::ffi::OsString;
use std::process::ExitCode;

use clap::CommandFactory as _;
use clap::error::{ContextKind, ContextValue};
use dirql::{Error, ErrorKind};

use crate::args::Cli;
use crate::output::Output;

/// Prints what the parser says, and gives the exit code. Help is text, also with `--json`; a mistake is a document then.
pub fn answer(error: &clap::Error) -> ExitCode {
    let words: Vec<_> = std::env::args_os().skip(1).collect();
    let mut output = Output::new(wants_json(&words));
    if !error.use_stderr() {
        return crate::end(output.styled(&error.render(), true).and_then(|()| output.flush()), &output);
    }
    if output.is_json() {
        return crate::end(Err(mistake(error, &words).into()), &output);
    }
    // A message has no way to fail.
    crate::end(output.styled(&error.render(), false), &output);
    ExitCode::from(ErrorKind::InvalidArgument.exit_code())
}

/// Whether `--json` stands anywhere among the options.
fn wants_json(words: &[OsString]) -> bool {
    words.iter().take_while(|word| *word != "--").any(|word| word == "--json")
}

/// The mistake as an error like any other.
fn mistake(error: &clap::Error, words: &[OsString]) -> Error {
    let text = error.render().to_string();
    let said = text.split("\n\n").next().unwrap_or_default();
    let said: Vec<_> = said.trim_start_matches("error: ").split_whitespace().collect();
    let mut why = said.join(" ");
    if error.kind() == clap::error::ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        why = "a command is needed".into();
    }
    let meant = [ContextKind::SuggestedSubcommand, ContextKind::SuggestedArg, ContextKind::SuggestedValue];
    for meant in meant.into_iter().filter_map(|kind| error.get(kind)) {
        match meant {
            ContextValue::String(one) => why.push_str(&format!("; did you mean {one}?")),
            ContextValue::Strings(some) if !some.is_empty() => {
                why.push_str(&format!("; did you mean {}?", some.join(" or ")));
            }
            _ => {}
        }
    }
    Error::new(ErrorKind::InvalidArgument, "reading of the command line").why(why).fix(help(words))
}

/// The command that prints help on what was typed: on the innermost subcommand among the words.
fn help(words: &[OsString]) -> String {
    let root = Cli::command();
    let (mut command, mut line) = (&root, String::from("dirql"));
    for word in words {
        if let Some(sub) = command.find_subcommand(word) {
            // What stands between a command and its subcommand, by its name.
            for between in command.get_positionals().filter_map(|positional| positional.get_value_names()) {
                line.extend(between.iter().flat_map(|name| [" ", name.as_str()]));
            }
            line.extend([" ", sub.get_name()]);
            command = sub;
        }
    }
    line + " --help"
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    fn words(line: &str) -> Vec<OsString> {
        line.split_whitespace().map(OsString::from).collect()
    }

    #[test]
    fn a_mistake_says_what_was_meant_and_where_help_is() {
        for (line, why, fix) in [
            ("lisst", "unrecognized subcommand 'lisst'; did you mean list?", "dirql --help"),
            ("", "a command is needed", "dirql --help"),
            (
                "random x --json --bytes",
                "a value is required for '--bytes <N>' but none was supplied",
                "dirql random --help",
            ),
            ("bind", "the following required arguments were not provided: <BDF>...", "dirql bind --help"),
            (
                "bind x --onwer y",
                "unexpected argument '--onwer' found; did you mean --owner?",
                "dirql bind --help",
            ),
            (
                "regs x 0 --width 24",
                "invalid value '24' for '--width <WIDTH>' [possible values: 8, 16, 32, 64]",
                "dirql regs --help",
            ),
            (
                "net x ping 10.0.2.2 --count 0",
                "invalid value '0' for '--count <N>': 0 is not in 1..=65535",
                "dirql net BDF ping --help",
            ),
        ] {
            let typed = words(line);
            let error = Cli::try_parse_from([words("dirql"), typed.clone()].concat()).unwrap_err();
            let error = mistake(&error, &typed);
            assert_eq!((error.cause(), error.remedy()), (Some(why), Some(fix)), "{line}");
            assert_eq!(error.kind().exit_code(), 2);
        }
    }

    #[test]
    fn json_is_wanted_anywhere_but_behind_the_options() {
        for (line, wanted) in
            [("--json", true), ("net x --json ping", true), ("info -- --json", false), ("info --jso", false)]
        {
            assert_eq!(wants_json(&words(line)), wanted, "{line}");
        }
    }
}
