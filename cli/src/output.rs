//! What the command prints: data on stdout, as text or as one JSON document; messages on stderr.

use std::fmt::Display;
use std::io;

use clap::builder::StyledStr;
use dirql::{Error, ErrorKind};
use serde::Serialize;

use crate::streams::{Sink, Stream};
use crate::wrap::{indent, wrap};

/// Why a command ended before its time.
#[derive(Debug)]
pub enum End {
    /// It failed: once, or once for each of several devices.
    Failed(Vec<Error>),
    /// Nobody reads what it prints any more, as in `dirql list | head -1`.
    Unread,
}

impl From<Error> for End {
    fn from(error: Error) -> Self {
        Self::Failed(vec![error])
    }
}

/// How a command ends.
pub type Outcome<T = ()> = Result<T, End>;

/// The way to stdout and stderr.
#[derive(Debug)]
pub struct Output {
    json: bool,
    stdout: Stream,
    stderr: Stream,
    sink: Sink,
    live_lines: usize,
}

impl Output {
    /// For this process's stdout; `json` where the user asked for a document.
    pub fn new(json: bool) -> Self {
        let (stdout, stderr) = (Stream::stdout(), Stream::stderr());
        Self { json, stdout, stderr, sink: Sink::Process, live_lines: 0 }
    }

    /// Whether a JSON document is wanted, and no text.
    pub fn is_json(&self) -> bool {
        self.json
    }

    /// Whether a person watches.
    pub fn is_terminal(&self) -> bool {
        self.stdout.terminal
    }

    /// The columns of the terminal; `None` where lines may be as long as they like.
    pub fn width(&self) -> Option<usize> {
        self.stdout.width
    }

    /// A line of text that fits the terminal; what is wrapped begins below column `hang`.
    pub fn wrapped(&self, text: &str, hang: usize) -> String {
        self.stdout.width.map_or_else(|| text.to_string(), |width| wrap(text, width, hang))
    }

    /// Prints a line of text.
    pub fn line(&mut self, text: impl Display) -> Outcome {
        self.text(&format!("{text}\n"))
    }

    /// Prints text as it is.
    pub fn text(&mut self, text: &str) -> Outcome {
        let erase = self.erase();
        self.live_lines = 0;
        self.write(&[erase.as_bytes(), text.as_bytes()])
    }

    /// Prints lines that the next call replaces, where stdout is a terminal.
    pub fn live(&mut self, text: &str) -> Outcome {
        let erase = self.erase();
        self.live_lines = if self.stdout.cursor { text.lines().count() } else { 0 };
        self.write(&[erase.as_bytes(), text.as_bytes()])?;
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
        self.write(&[text.as_bytes(), b"\n"])
    }

    /// Hands over what is still buffered.
    pub fn flush(&mut self) -> Outcome {
        self.sink.flush().map_err(unwritten)
    }

    fn write(&self, parts: &[&[u8]]) -> Outcome {
        self.sink.data(parts).map_err(unwritten)
    }

    /// Tells the user something that is not data.
    pub fn note(&self, text: impl Display) {
        self.sink.message(&format!("{text}\n"));
    }

    /// Tells the user of failures, as one document where that is wanted: the first, and what else failed.
    pub fn failures(&self, failures: &[Error]) {
        if !self.json {
            return failures.iter().for_each(|error| self.failure(error));
        }
        let mut documents = failures.iter().map(Error::to_json);
        let Some(mut document) = documents.next() else { return };
        if failures.len() > 1 {
            document["others"] = documents.map(|mut other| other["error"].take()).collect();
        }
        self.note(document);
    }

    fn failure(&self, error: &Error) {
        let text = format!("error: {error}");
        let lines: Vec<_> = text.lines().map(|line| fit(line, self.stderr.width)).collect();
        let text = lines.join("\n");
        let rest = text.strip_prefix("error").unwrap_or(&text);
        self.note(format_args!("{}{rest}", paint(self.stderr, Colour::Red, "error")));
    }

    /// Prints what the parser of the command line has to say: help as data, a mistake as a message.
    pub fn styled(&mut self, text: &StyledStr, is_data: bool) -> Outcome {
        let stream = if is_data { self.stdout } else { self.stderr };
        let text = if stream.colour { text.ansi().to_string() } else { text.to_string() };
        if is_data {
            return self.text(&text);
        }
        let line = |line: &str| match self.stderr.width {
            Some(width) => wrap(line, width, indent(line) + "  ".len()),
            None => line.to_string(),
        };
        let lines: Vec<_> = text.lines().map(line).collect();
        self.note(lines.join("\n"));
        Ok(())
    }

    /// The text, emphasized where colours are wanted.
    pub fn paint(&self, colour: Colour, text: &str) -> String {
        paint(self.stdout, colour, text)
    }
}

fn paint(stream: Stream, colour: Colour, text: &str) -> String {
    if stream.colour { format!("\x1b[{}m{text}\x1b[0m", colour as u8) } else { text.to_string() }
}

/// A line of a message as wide as the terminal. What is to be pasted, and a path, stays in one piece.
fn fit(line: &str, width: Option<usize>) -> String {
    match width {
        Some(width) if line.starts_with("  why: ") => wrap(line, width, "  why: ".len()),
        Some(width) if !line.starts_with(' ') => wrap(line, width, "  ".len()),
        _ => line.to_string(),
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

/// What a failed write of data means.
pub fn unwritten(error: io::Error) -> End {
    if error.kind() == io::ErrorKind::BrokenPipe {
        return End::Unread;
    }
    Error::io(&error, "writing of the output").into()
}

#[cfg(test)]
impl Output {
    /// One that keeps what is printed. It is for no terminal.
    pub fn kept(json: bool) -> Self {
        let (stdout, stderr) = Default::default();
        Self { json, stdout, stderr, sink: Sink::Kept(Default::default()), live_lines: 0 }
    }

    /// The same, for a terminal with so many columns, without colours.
    pub fn on_a_terminal(mut self, columns: usize) -> Self {
        self.stdout.width = Some(columns);
        self.stderr.width = Some(columns);
        self
    }

    /// What was printed so far: stdout and stderr.
    pub fn said(&self) -> [String; 2] {
        match &self.sink {
            Sink::Process => Default::default(),
            Sink::Kept(kept) => kept.lock().unwrap().clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broken_pipe_is_no_failure() {
        assert!(matches!(unwritten(io::ErrorKind::BrokenPipe.into()), End::Unread));
        let End::Failed(errors) = unwritten(io::Error::from_raw_os_error(28)) else {
            panic!("ENOSPC is one")
        };
        assert!(errors[0].to_string().contains("ENOSPC"), "{errors:?}");
    }

    #[test]
    fn colours_only_where_wanted() {
        let mut output = Output::kept(false);
        assert_eq!(output.paint(Colour::Red, "x"), "x");
        output.stdout.colour = true;
        assert_eq!(output.paint(Colour::Red, "x"), "\x1b[31mx\x1b[0m");
        let error = Error::new(ErrorKind::Failure, "a test").why("so");
        output.failure(&error);
        output.stderr.colour = true;
        output.failure(&error);
        let plain = "error: a test failed\n  why: so\n";
        assert_eq!(output.said(), [String::new(), format!("{plain}\x1b[31merror\x1b[0m{}", &plain[5..])]);
    }

    #[test]
    fn a_message_fits_the_terminal_and_can_be_pasted() {
        let error = Error::new(ErrorKind::Failure, "a test of forty columns and of some more")
            .path("/a/path/of/more/than/forty/columns/in/a/piece")
            .why("this is told in words that do not fit into one line")
            .fix("sudo a command that does not fit into forty columns, either");
        let mut output = Output::kept(false);
        output.failure(&error);
        output.stderr.width = Some(40);
        output.failure(&error);
        let [_, messages] = output.said();
        let whole = format!("error: {error}\n");
        let wrapped = "\
error: a test of forty columns and of
  some more failed
  path: /a/path/of/more/than/forty/columns/in/a/piece
  why: this is told in words that do not
       fit into one line
  fix: sudo a command that does not fit into forty columns, either
";
        assert_eq!(messages, format!("{whole}{wrapped}"));
    }

    #[test]
    fn data_is_wrapped_for_a_terminal_alone() {
        let mut output = Output::kept(false);
        let text = format!("{}  {:<6}  what was found", output.paint(Colour::Green, "pass"), "name");
        assert_eq!(output.wrapped(&text, 14), text);
        output.stdout = Stream { width: Some(24), colour: true, ..Stream::default() };
        let text = format!("{}  {:<6}  what was found", output.paint(Colour::Green, "pass"), "name");
        let green = "\x1b[32mpass\x1b[0m";
        assert_eq!(output.wrapped(&text, 14), format!("{green}  name    what was\n{:14}found", ""));
    }

    #[test]
    fn live_lines_are_replaced_where_the_cursor_moves() {
        let mut output = Output::kept(false);
        output.live("a\nb\n").unwrap();
        output.stdout.cursor = true;
        output.live("c\nd\n").unwrap();
        output.live("e\n").unwrap();
        assert_eq!(output.said()[0], "a\nb\nc\nd\n\x1b[2A\x1b[Je\n");
    }
}
