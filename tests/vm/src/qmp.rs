//! QEMU's own interface: what the outside does to a machine.

use crate::Result;
use qapi::qmp;
use std::io::BufReader;
use std::os::unix::net::UnixStream;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

type Connection = qapi::Qmp<qapi::Stream<BufReader<UnixStream>, UnixStream>>;

/// QEMU's monitor.
pub struct Qmp {
    connection: Mutex<Connection>,
}

impl Qmp {
    pub(crate) fn new(stream: UnixStream) -> Result<Qmp> {
        stream.set_read_timeout(Some(Duration::from_secs(30)))?;
        let reader = BufReader::new(stream.try_clone()?);
        let mut connection = qapi::Qmp::new(qapi::Stream::new(reader, stream));
        connection.handshake().map_err(|error| format!("QMP: {error}"))?;
        Ok(Qmp { connection: Mutex::new(connection) })
    }

    /// Executes any command of [`qapi::qmp`].
    pub fn execute<C: qapi::Command>(&self, command: &C) -> Result<C::Ok> {
        let mut connection = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        connection.execute(command).map_err(|error| format!("QMP {}: {error}", C::NAME).into())
    }

    /// Plugs the cable of a NIC in, or out.
    pub fn set_link(&self, nic: &str, up: bool) -> Result<()> {
        self.execute(&qmp::set_link { name: nic.to_owned(), up }).map(drop)
    }

    /// Executes a command of the human monitor.
    pub fn human(&self, line: &str) -> Result<String> {
        self.execute(&qmp::human_monitor_command { command_line: line.to_owned(), cpu_index: None })
    }
}
