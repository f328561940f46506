//! What the command prints: data on stdout, as text or as one JSON document; messages on stderr.

use std::fmt::Display;
use std::io::{self, IsTerminal as _, Write as _};

use dirql::{Error, ErrorKind};
use serde::Serialize;

/// Why a command ended before its time.
#[derive(Debug)]
pub enum End {
    /// It failed.
    Failed(Error),
    /// Nobody reads what it prints any more, as in `dirql list | head -1`.
    Unread,
}

impl From<Error> for End {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

/// How a command ends.
pub type Outcome<T = ()> = Result<T, End>;

/// The way to stdout and stderr.
#[derive(Debug)]
pub struct Output {
    json: bool,
    terminal: bool,
    colour: bool,
    live_lines: usize,
}

impl Output {
    /// For this process's stdout; `json` where the user asked for a document.
    pub fn new(json: bool) -> Self {
        let terminal = io::stdout().is_terminal();
        let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        Self { json, terminal, colour: terminal && !set("NO_COLOR") && !dumb, live_lines: 0 }
    }

    /// Whether a JSON document is wanted, and no text.
    pub fn is_json(&self) -> bool {
        self.json
    }

    /// Whether a person watches.
    pub fn is_terminal(&self) -> bool {
        self.terminal
    }

    /// The columns of the terminal; `None` where lines may be as long as they like.
    pub fn width(&self) -> Option<usize> {
        let (width, _) = self.terminal.then(terminal_size::terminal_size).flatten()?;
        Some(usize::from(width.0).max(40))
    }

    /// Prints a line of text.
    pub fn line(&mut self, text: impl Display) -> Outcome {
        self.text(&format!("{text}\n"))
    }

    /// Prints text as it is.
    pub fn text(&mut self, text: &str) -> Outcome {
        let erase = self.erase();
        self.live_lines = 0;
        write(&[erase.as_bytes(), text.as_bytes()])
    }

    /// Prints lines that the next call replaces, where stdout is a terminal.
    pub fn live(&mut self, text: &str) -> Outcome {
        let erase = self.erase();
        self.live_lines = if self.terminal { text.lines().count() } else { 0 };
        write(&[erase.as_bytes(), text.as_bytes()])?;
        self.flush()
    }

    /// Leaves the lines of [`Output::live`] where they are.
    pub fn keep(&mut self) {
        self.live_lines = 0;
    }

    fn erase(&self) -> String {
        if self.live_lines == 0 { String::new() } else { format!("\x1b[{}A\x1b[J", self.live_lines) }
    }

    /// Prints the one JSON document of the command.
    pub fn document(&mut self, value: &impl Serialize) -> Outcome {
        let text = serde_json::to_string_pretty(value).map_err(|error| {
            Error::new(ErrorKind::Failure, "writing of the JSON document").why(error.to_string())
        })?;
        write(&[text.as_bytes(), b"\n"])
    }

    /// Hands over what is still buffered.
    pub fn flush(&mut self) -> Outcome {
        io::stdout().flush().map_err(unwritten)
    }

    /// Tells the user something that is not data. Without a stderr there is nobody to tell.
    pub fn note(&self, text: impl Display) {
        let _ = writeln!(io::stderr(), "{text}");
    }

    /// Tells the user of a failure, as a document where one is wanted.
    pub fn failure(&self, error: &Error) {
        if self.json {
            self.note(error.to_json());
        } else {
            self.note(format_args!("error: {error}"));
        }
    }

    /// The text, emphasized where colours are wanted.
    pub fn paint(&self, colour: Colour, text: &str) -> String {
        if self.colour { format!("\x1b[{}m{text}\x1b[0m", colour as u8) } else { text.to_string() }
    }
}

/// What a colour says; its number is the terminal's.
#[derive(Debug, Clone, Copy)]
pub enum Colour {
    /// A heading.
    Bold = 1,
    /// Something is wrong.
    Red = 31,
    /// All is well.
    Green = 32,
    /// Neither.
    Yellow = 33,
}

fn write(parts: &[&[u8]]) -> Outcome {
    let mut stdout = io::stdout().lock();
    parts.iter().try_for_each(|part| stdout.write_all(part)).map_err(unwritten)
}

/// What a failed write of data means.
pub fn unwritten(error: io::Error) -> End {
    if error.kind() == io::ErrorKind::BrokenPipe {
        return End::Unread;
    }
    End::Failed(Error::io(&error, "writing of the output"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broken_pipe_is_no_failure() {
        assert!(matches!(unwritten(io::ErrorKind::BrokenPipe.into()), End::Unread));
        let End::Failed(error) = unwritten(io::Error::from_raw_os_error(28)) else { panic!("ENOSPC is one") };
        assert!(error.to_string().contains("ENOSPC"), "{error}");
    }

    #[test]
    fn colours_only_where_wanted() {
        let mut output = Output { json: false, terminal: false, colour: false, live_lines: 0 };
        assert_eq!(output.paint(Colour::Red, "x"), "x");
        output.colour = true;
        assert_eq!(output.paint(Colour::Red, "x"), "\x1b[31mx\x1b[0m");
    }
}
