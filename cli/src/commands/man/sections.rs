//! The sections of a page that clap does not write, from the text below a command's options.

use clap_mangen::roff::{Inline, Roff, bold, italic, roman};
use dirql::host::Host;

/// What the environment changes.
const ENVIRONMENT: &[(&str, &str)] = &[
    ("NO_COLOR", "Where it is set and not empty, there are no colours."),
    ("CLICOLOR", "0 for no colours. There are none where no terminal is, whatever is set."),
    ("TERM", "dumb for no colours, and for no lines that replace others."),
    ("XDG_RUNTIME_DIR", "Where the sockets are by which running programs are asked."),
    (
        "RUST_LOG",
        "What is said on stderr, in place of -v: error, warn, info, debug, trace, or dirql::host=debug.",
    ),
];

/// What is read and written, beside what bound devices have in sysfs.
const FILES: &[(&str, &str)] = &[
    ("/run/dirql/BDF.json", "The driver that a bound device had, for dirql restore."),
    ("/etc/udev/rules.d/71-dirql-BDF.rules", "What dirql bind --persist wrote."),
    (
        "$XDG_RUNTIME_DIR/dirql/BDF.sock",
        "By which dirql stats, irqs and trace ask a running program; for root, in /run/dirql/telemetry.",
    ),
    ("/dev/vfio/N", "The node of an IOMMU group: who may open it may use the group's devices."),
    ("/dev/vfio/vfio", "The container of VFIO."),
];

/// Pages of others.
const OTHERS: [&str; 4] = ["lspci(8)", "udev(7)", "sysusers.d(5)", "limits.conf(5)"];

/// The text below a command's options, by what it is of.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Text {
    /// Lines as they are typed, indented.
    pub examples: Vec<String>,
    /// What exit codes mean, as a sentence.
    pub exit: Option<String>,
    /// Paragraphs.
    pub notes: Vec<String>,
}

impl Text {
    /// Reads it: paragraphs that are parted by empty lines.
    pub fn read(text: &str) -> Self {
        let mut parts = Self::default();
        for paragraph in text.split("\n\n") {
            let sentence = || paragraph.lines().map(str::trim).collect::<Vec<_>>().join(" ");
            let mut lines = paragraph.lines();
            match lines.next() {
                Some("Examples:" | "Example:") => parts.examples = lines.map(str::to_owned).collect(),
                Some(line) if line.starts_with("Exit code") => parts.exit = Some(sentence()),
                Some(_) => parts.notes.push(sentence()),
                None => {}
            }
        }
        parts
    }
}

/// How it is typed.
pub fn synopsis(usage: &str) -> Roff {
    let mut roff = Roff::new();
    roff.control("SH", ["SYNOPSIS"]);
    let words = usage.trim().trim_start_matches("Usage:").split_whitespace();
    let mut line: Vec<Inline> = Vec::new();
    for word in words {
        if !line.is_empty() {
            line.push(roman(" "));
        }
        line.push(if word.starts_with(['<', '[']) { italic(word) } else { bold(word) });
    }
    roff.text(line);
    roff
}

/// Paragraphs, behind those that are there.
pub fn paragraphs(texts: &[String]) -> Roff {
    let mut roff = Roff::new();
    for text in texts {
        roff.control("PP", []);
        roff.text([roman(text.as_str())]);
    }
    roff
}

/// What the exit codes mean: a list where the sentence is one, as `Exit codes: 0 success, 1 failure`.
pub fn exit_status(exit: Option<&str>) -> Roff {
    let mut roff = Roff::new();
    roff.control("SH", ["EXIT STATUS"]);
    let codes =
        exit.and_then(|exit| exit.strip_prefix("Exit codes: ")).map(|codes| codes.trim_end_matches('.'));
    match codes {
        Some(codes) => {
            let codes = codes.split(", ").filter_map(|code| code.split_once(' '));
            list(&mut roff, codes.map(|(code, meaning)| (code.to_owned(), meaning.to_owned())));
        }
        None => roff_text(&mut roff, &[exit.unwrap_or_default(), "All codes are in dirql(8)."]),
    }
    roff
}

fn roff_text(roff: &mut Roff, sentences: &[&str]) {
    let sentences: Vec<_> = sentences.iter().filter(|text| !text.is_empty()).copied().collect();
    roff.text([roman(sentences.join(" "))]);
}

/// What of the environment and the file system matters.
pub fn surroundings() -> Roff {
    let owned = |(name, text): &(&str, &str)| ((*name).to_owned(), (*text).to_owned());
    let mut roff = Roff::new();
    roff.control("SH", ["ENVIRONMENT"]);
    list(&mut roff, ENVIRONMENT.iter().map(owned));
    roff.control("SH", ["FILES"]);
    let installed = Host::system().permission_files().into_iter();
    let installed = installed.map(|file| {
        (
            file.path.display().to_string(),
            "Written by dirql udev install, which dirql udev show prints.".to_owned(),
        )
    });
    list(&mut roff, FILES.iter().map(owned).chain(installed));
    roff
}

fn list(roff: &mut Roff, items: impl Iterator<Item = (String, String)>) {
    for (name, text) in items {
        roff.control("TP", []);
        roff.text([bold(name)]);
        roff.text([roman(text)]);
    }
}

/// What can be typed.
pub fn examples(lines: &[String]) -> Roff {
    let mut roff = Roff::new();
    roff.control("SH", ["EXAMPLES"]);
    roff.control("nf", []);
    for line in lines {
        roff.text([roman(line.strip_prefix("  ").unwrap_or(line))]);
    }
    roff.control("fi", []);
    roff
}

/// The pages that belong to it: all for `dirql` itself; else those of the commands that it is below or speaks of.
pub fn see_also(name: &str, text: &str, all: &[String]) -> Roff {
    let spoken = |page: &String| text.contains(&page.replace('-', " ")) && page.as_str() != "dirql";
    let belongs = |page: &&String| {
        let above = name.starts_with(&format!("{page}-"));
        *page != name && (name == "dirql" || above || spoken(page))
    };
    let mut pages: Vec<_> = all.iter().filter(belongs).map(|page| format!("{page}(8)")).collect();
    if name == "dirql" {
        pages.extend(OTHERS.map(str::to_owned));
    }
    let mut roff = Roff::new();
    roff.control("SH", ["SEE ALSO"]);
    roff.text([roman(pages.join(", "))]);
    roff
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_read_by_its_paragraphs() {
        let text = "Examples:\n  one\n  two\n\nA note\nof lines.\n\nExit codes: 0 so, 1 or\nso.";
        let text = Text::read(text);
        assert_eq!(text.examples, ["  one", "  two"]);
        assert_eq!(text.notes, ["A note of lines."]);
        assert_eq!(text.exit.as_deref(), Some("Exit codes: 0 so, 1 or so."));
        assert_eq!(Text::read(""), Text::default());
        let status = exit_status(text.exit.as_deref()).render();
        assert!(status.contains(".TP\n\\fB0\\fR\nso\n.TP\n\\fB1\\fR\nor so\n"), "{status}");
    }

    #[test]
    fn pages_name_those_that_they_speak_of() {
        let all: Vec<_> =
            ["dirql", "dirql-bind", "dirql-net", "dirql-net-tap", "dirql-run"].map(str::to_owned).into();
        let pages = |name: &str, text: &str| see_also(name, text, &all).render();
        assert!(
            pages("dirql-run", "as by dirql run, after dirql bind").ends_with("dirql(8), dirql\\-bind(8)\n")
        );
        assert!(pages("dirql-net-tap", "").ends_with("\ndirql(8), dirql\\-net(8)\n"));
        assert!(pages("dirql", "").contains("dirql\\-net\\-tap(8), dirql\\-run(8), lspci(8)"));
    }
}
