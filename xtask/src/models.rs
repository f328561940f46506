//! The models: they hold as the code is, and each fails once the code is broken in a way that it is there to notice.

use crate::cargo::{cargo, command, root};
use dirql_lab::Result;
use std::process::Output;

/// The list: a mutation, the model that must fail, and what its failure says.
const MUTATIONS: &str = "tests/models/mutations.txt";

struct Mutation<'a> {
    name: &'a str,
    model: &'a str,
    says: &'a str,
}

/// Runs the models as they are, and then each mutation against the model that must notice it.
pub fn run() -> Result<()> {
    cargo(&["test", "--package", "dirql-models", "--lib"], &[])?;
    let list = std::fs::read_to_string(root().join(MUTATIONS))?;
    let mut unnoticed = Vec::new();
    for line in list.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let mutation = parse(line).ok_or_else(|| format!("{MUTATIONS}: not a mutation: {line}"))?;
        match mutation.is_noticed() {
            Ok(()) => println!("{:24} noticed by {}", mutation.name, mutation.model),
            Err(why) => {
                println!("{:24} NOT NOTICED by {}: {why}", mutation.name, mutation.model);
                unnoticed.push(mutation.name);
            }
        }
    }
    if unnoticed.is_empty() { Ok(()) } else { Err(format!("not noticed: {}", unnoticed.join(", ")).into()) }
}

fn parse(line: &str) -> Option<Mutation<'_>> {
    let (name, rest) = line.split_once(char::is_whitespace)?;
    let (model, says) = rest.trim_start().split_once(char::is_whitespace)?;
    Some(Mutation { name, model, says: says.trim_start() })
}

impl Mutation<'_> {
    /// It compiles, the model runs, and it fails with the words that it should.
    fn is_noticed(&self) -> Result<()> {
        let built = self.test(&["--no-run"])?;
        if !built.status.success() {
            return Err(format!("it does not compile:\n{}", String::from_utf8_lossy(&built.stderr)).into());
        }
        let output = self.test(&["--", "--exact", self.model])?;
        let text = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        let text = text.concat();
        if !text.contains(&format!("test {} ... FAILED", self.model)) {
            return Err("it did not fail".into());
        }
        if !text.contains(self.says) {
            return Err(format!("it failed without {:?}:\n{text}", self.says).into());
        }
        Ok(())
    }

    fn test(&self, words: &[&str]) -> Result<Output> {
        let words = [&["test", "--package", "dirql-models", "--lib"], words].concat();
        Ok(command(&words).env("DIRQL_MUTATION", self.name).env("RUST_BACKTRACE", "0").output()?)
    }
}
