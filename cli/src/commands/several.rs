//! What the commands for several devices share: each device is tried, and what failed is told at the end.

use dirql::host::Host;
use dirql::{Address, Error, Result};
use serde_json::{Value, json};

use crate::output::{End, Outcome, Output};

/// The addresses of the devices that the names mean. One that was unplugged has its record still, so what is an address
/// is not looked up.
///
/// # Errors
/// Where a name means no device.
pub fn addresses(host: &Host, names: &[String]) -> Result<Vec<Address>> {
    let address = |name: &String| name.parse().or_else(|_| Ok(host.resolve(name)?.address));
    let mut addresses: Vec<Address> = names.iter().map(address).collect::<Result<_>>()?;
    addresses.sort_unstable();
    addresses.dedup();
    Ok(addresses)
}

/// What came of each device.
pub struct Tried<T> {
    pub done: Vec<T>,
    failures: Vec<Error>,
}

impl<T> Tried<T> {
    /// Tries each, whatever becomes of the others.
    pub fn each(addresses: &[Address], attempt: impl Fn(Address) -> Result<T>) -> Self {
        let (mut done, mut failures) = (Vec::new(), Vec::new());
        for &address in addresses {
            match attempt(address) {
                Ok(one) => done.push(one),
                Err(error) => failures.push(error),
            }
        }
        Self { done, failures }
    }

    /// Prints what was done.
    pub fn print(
        &self,
        output: &mut Output,
        line: impl Fn(&T) -> String,
        document: impl Fn(&T) -> Value,
    ) -> Outcome {
        match output.is_json() {
            // Where nothing at all came of it, the failure says so alone.
            true if self.done.is_empty() && !self.failures.is_empty() => Ok(()),
            true => output.document(&self.done.iter().map(document).collect::<Vec<_>>()),
            false => self.done.iter().try_for_each(|done| output.line(line(done))),
        }
    }

    /// How the command ends. A reader that has gone does not make a failure a success.
    pub fn end(self, printed: Outcome) -> Outcome {
        if self.failures.is_empty() { printed } else { Err(End::Failed(self.failures)) }
    }
}

/// Prints what would be done to each device.
///
/// # Errors
/// The first that is not possible.
pub fn print_plans(
    addresses: &[Address],
    plan: impl Fn(Address) -> Result<Vec<String>>,
    output: &mut Output,
) -> Outcome {
    let plans: Vec<_> =
        addresses.iter().map(|&address| Ok((address, plan(address)?))).collect::<Result<_>>()?;
    if output.is_json() {
        let plans = plans.into_iter().map(|(address, steps)| json!({ "address": address, "steps": steps }));
        return output.document(&plans.collect::<Vec<_>>());
    }
    for (address, steps) in plans {
        output.line(format_args!("# {address}"))?;
        steps.iter().try_for_each(|step| output.line(step))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use dirql::ErrorKind;

    #[test]
    fn all_are_tried_and_each_failure_is_told_in_one_document() {
        let addresses: Vec<Address> =
            ["0000:00:03.0", "0000:00:04.0", "0000:00:05.0"].map(|address| address.parse().unwrap()).to_vec();
        let attempt = |address: Address| match address == addresses[1] {
            true => Ok(address),
            false => Err(Error::new(ErrorKind::Busy, "a test").on(address)),
        };
        for is_json in [false, true] {
            let mut output = Output::kept(is_json);
            let tried = Tried::each(&addresses, attempt);
            let printed = tried.print(&mut output, |done| done.to_string(), |done| json!(done));
            let Err(End::Failed(failures)) = tried.end(printed) else { panic!("two failed") };
            output.failures(&failures);
            let [data, messages] = output.said();
            if !is_json {
                assert_eq!(data, "0000:00:04.0\n");
                assert_eq!(
                    messages,
                    "error: a test for 0000:00:03.0 failed\nerror: a test for 0000:00:05.0 failed\n"
                );
                continue;
            }
            assert_eq!(data, "[\n  \"0000:00:04.0\"\n]\n");
            let document: Value = serde_json::from_str(&messages).unwrap();
            assert_eq!(document["error"]["device"], "0000:00:03.0");
            assert_eq!(document["others"][0]["device"], "0000:00:05.0");
            assert_eq!(document["others"].as_array().unwrap().len(), 1);
        }
        let mut output = Output::kept(true);
        let none = Tried::each(&addresses[..1], attempt);
        none.print(&mut output, |done| done.to_string(), |done| json!(done)).unwrap();
        assert_eq!(output.said()[0], "", "there is a document of failures alone");
    }
}
