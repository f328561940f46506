//! What the lab and its guest say to each other: JSON, one document a line, over a virtio-serial port.
//!
//! The guest says [`Reply::Hello`] with id 0 once. After that the host asks and the guest answers; an answer carries the
//! id of its [`Request`], and answers come in any order, because every request runs in a thread of its own.
#![forbid(unsafe_code)]

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The name of the virtio-serial port that carries the protocol.
pub const PORT: &str = "dirql.agent";

/// One thing the host asks for.
#[derive(Debug, Serialize, Deserialize)]
pub struct Request {
    /// Chosen by the host, repeated in the answer.
    pub id: u64,
    /// What to do.
    pub call: Call,
}

/// One answer.
#[derive(Debug, Serialize, Deserialize)]
pub struct Response {
    /// The id of the request, or 0 for [`Reply::Hello`].
    pub id: u64,
    /// What came of it.
    pub reply: Reply,
}

/// What the host can ask for.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Call {
    /// Start a program; answered by [`Reply::Started`].
    Spawn(Program),
    /// Wait until more output than `seen` exists, or the program has ended, or the time is over; answered by
    /// [`Reply::Output`].
    Output {
        /// The program.
        pid: i32,
        /// How many bytes of standard output and standard error the host has seen.
        seen: (usize, usize),
        /// The longest wait.
        timeout_ms: u64,
    },
    /// Wait for the end of the program and of its output; answered by [`Reply::Output`].
    Wait {
        /// The program.
        pid: i32,
        /// The longest wait.
        timeout_ms: u64,
    },
    /// Send a signal; answered by [`Reply::Done`].
    Signal {
        /// The program.
        pid: i32,
        /// The signal's number.
        signal: i32,
        /// Whether the program's whole process group gets it.
        group: bool,
    },
}

/// A program to start, and as whom.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Program {
    /// The program, looked up in `PATH`, and its arguments.
    pub argv: Vec<String>,
    /// The user by name. Anybody but root runs without capabilities.
    pub user: String,
    /// Additions to the environment.
    pub env: BTreeMap<String, String>,
    /// The working directory; `/` unless told otherwise.
    pub cwd: Option<String>,
    /// What the program reads.
    #[serde(with = "bytes")]
    pub stdin: Vec<u8>,
    /// `RLIMIT_MEMLOCK` in bytes; the system's own limit unless told otherwise.
    pub memlock: Option<u64>,
}

/// What the guest can answer.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reply {
    /// The agent is up.
    Hello,
    /// The program runs.
    Started {
        /// Its process id.
        pid: i32,
    },
    /// All output so far, and the end when there was one.
    Output {
        /// How the program ended, if it has.
        end: Option<End>,
        /// Standard output from the start.
        #[serde(with = "bytes")]
        stdout: Vec<u8>,
        /// Standard error from the start.
        #[serde(with = "bytes")]
        stderr: Vec<u8>,
    },
    /// It is done.
    Done,
    /// It did not work.
    Failed {
        /// Why.
        why: String,
    },
}

/// How a program ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum End {
    /// It exited with this code.
    Code(i32),
    /// This signal ended it.
    Signal(i32),
}

/// Bytes as base64 text, so that output of any kind survives JSON.
mod bytes {
    use base64::{Engine, engine::general_purpose::STANDARD};
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(bytes))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        STANDARD.decode(String::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn output_of_any_kind_survives() {
        let reply = Reply::Output { end: Some(End::Signal(9)), stdout: vec![0, 10, 255, 13], stderr: vec![] };
        let text = serde_json::to_string(&Response { id: 7, reply }).unwrap();
        assert!(!text.contains('\n'));
        let back: Response = serde_json::from_str(&text).unwrap();
        let Reply::Output { end, stdout, stderr } = back.reply else { panic!("{text}") };
        assert_eq!((end, stdout, stderr), (Some(End::Signal(9)), vec![0, 10, 255, 13], vec![]));
    }
}
