//! A TCP/IP of our own on the drivers: the example that needs no kernel network.

use crate::frames::Random;
use crate::nics::{each, families};
use crate::traffic::no_faults;
use crate::{check, http, test};
use dirql_lab::{Net, Result};
use libtest_mimic::Trial;

/// The tests of this file.
pub fn tests() -> Vec<Trial> {
    vec![test("stack::the_example_fetches_a_file", fetch)]
}

fn fetch() -> Result<()> {
    let mut random = Random(80);
    let content: Vec<u8> = (0..100_000).map(|_| random.next() as u8).collect();
    let port = http::serve(content.clone())?;
    each("stack-fetch", &families(), Net::User, |machine, row| {
        let words = format!("http_get {} http://10.0.2.2:{port}/file", row.nic.address());
        let output = machine.user("demo", &words)?.ok()?.says(&["200 OK"])?;
        check(output.stdout == content, || {
            format!("{} bytes came of {}, or others", output.stdout.len(), content.len())
        })?;
        no_faults(machine)
    })
}
