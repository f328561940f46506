//! stdout and stderr: whether a person looks at them, how wide they are, and whether they take colours.

use std::env;
use std::io::{self, IsTerminal as _, Write as _};
#[cfg(test)]
use std::sync::Mutex;

/// What is known of one of the two.
#[derive(Debug, Clone, Copy, Default)]
pub struct Stream {
    /// Whether a person looks at it.
    pub terminal: bool,
    /// Whether its cursor moves: a dumb terminal prints, and nothing else.
    pub cursor: bool,
    /// Whether it takes colours, and the user wants them.
    pub colour: bool,
    /// Its columns, where it is a terminal.
    pub width: Option<usize>,
}

impl Stream {
    /// This process's stdout.
    pub fn stdout() -> Self {
        let width = terminal_size::terminal_size_of(io::stdout()).map(|(width, _)| width.0);
        Self::new(io::stdout().is_terminal(), width, &variable)
    }

    /// This process's stderr.
    pub fn stderr() -> Self {
        let width = terminal_size::terminal_size_of(io::stderr()).map(|(width, _)| width.0);
        Self::new(io::stderr().is_terminal(), width, &variable)
    }

    /// What is no terminal never gets an escape sequence, whatever the environment says.
    fn new(terminal: bool, width: Option<u16>, variable: &dyn Fn(&str) -> Option<String>) -> Self {
        let cursor = terminal && variable("TERM").as_deref() != Some("dumb");
        let refused = variable("NO_COLOR").is_some() || variable("CLICOLOR").as_deref() == Some("0");
        // A width of 0 is what a terminal says that does not know it.
        let width = width.filter(|&width| terminal && width > 0).map(|width| usize::from(width).max(40));
        Self { terminal, cursor, colour: cursor && !refused, width }
    }
}

/// A variable of the environment; an empty one counts as none.
fn variable(name: &str) -> Option<String> {
    env::var_os(name).map(|value| value.to_string_lossy().into_owned()).filter(|value| !value.is_empty())
}

/// Where data and messages go.
#[derive(Debug)]
pub enum Sink {
    /// This process's stdout and stderr.
    Process,
    /// Kept, for a test to look at: stdout and stderr.
    #[cfg(test)]
    Kept(Mutex<[String; 2]>),
}

impl Sink {
    /// Writes data.
    pub fn data(&self, parts: &[&[u8]]) -> io::Result<()> {
        match self {
            Self::Process => {
                let mut stdout = io::stdout().lock();
                parts.iter().try_for_each(|part| stdout.write_all(part))
            }
            #[cfg(test)]
            Self::Kept(kept) => {
                let text: String = parts.iter().map(|part| String::from_utf8_lossy(part)).collect();
                kept.lock().unwrap()[0].push_str(&text);
                Ok(())
            }
        }
    }

    /// Writes a message. Without a stderr there is nobody to tell.
    pub fn message(&self, text: &str) {
        match self {
            Self::Process => {
                let _ = io::stderr().lock().write_all(text.as_bytes());
            }
            #[cfg(test)]
            Self::Kept(kept) => kept.lock().unwrap()[1].push_str(text),
        }
    }

    /// Hands over what is still buffered.
    pub fn flush(&self) -> io::Result<()> {
        match self {
            Self::Process => io::stdout().flush(),
            #[cfg(test)]
            Self::Kept(_) => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream(terminal: bool, set: &[(&str, &str)]) -> Stream {
        let variable = |name: &str| {
            set.iter().find(|(of, value)| *of == name && !value.is_empty()).map(|(_, value)| (*value).into())
        };
        Stream::new(terminal, Some(80), &variable)
    }

    #[test]
    fn colours_only_where_a_person_wants_them() {
        for (terminal, set, cursor, colour) in [
            (true, &[][..], true, true),
            (true, &[("TERM", "xterm"), ("NO_COLOR", "")], true, true),
            (true, &[("NO_COLOR", "1")], true, false),
            (true, &[("CLICOLOR", "0")], true, false),
            (true, &[("CLICOLOR", "1")], true, true),
            (true, &[("TERM", "dumb")], false, false),
            (false, &[("TERM", "xterm"), ("CLICOLOR_FORCE", "1")], false, false),
        ] {
            let stream = stream(terminal, set);
            assert_eq!((stream.cursor, stream.colour), (cursor, colour), "{terminal} {set:?}");
            assert_eq!(stream.width, terminal.then_some(80), "{terminal} {set:?}");
        }
    }

    #[test]
    fn a_terminal_that_does_not_know_its_width_has_none() {
        assert_eq!(Stream::new(true, Some(0), &|_| None).width, None);
        assert_eq!(Stream::new(true, Some(7), &|_| None).width, Some(40));
    }
}
