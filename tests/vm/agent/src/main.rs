//! The lab's guest agent: runs commands as root or as an ordinary user and returns how they ended and what they said.
//!
//! It speaks [`dirql_lab_agent`] on a virtio-serial port. When the host hangs up, the guest powers itself off: a machine
//! does not outlive the test that booted it.

mod process;

use dirql_lab_agent::{Call, PORT, Reply, Request, Response};
use nix::sys::signal::{kill, killpg};
use nix::unistd::Pid;
use process::Process;
use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Write};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use std::{process as os, thread};

/// The programs started and not yet waited for.
type Table = Arc<Mutex<HashMap<i32, Arc<Process>>>>;

fn main() {
    if let Err(error) = serve() {
        eprintln!("dirql-lab-agent: {error}");
    }
    let _ = os::Command::new("poweroff").arg("-f").status();
}

fn serve() -> io::Result<()> {
    let port = open_port(Instant::now() + Duration::from_secs(30))?;
    let writer = Arc::new(Mutex::new(port.try_clone()?));
    send(&writer, &Response { id: 0, reply: Reply::Hello })?;
    let table = Table::default();
    for line in BufReader::new(port).lines() {
        let request: Request = serde_json::from_str(&line?)?;
        let (table, writer) = (table.clone(), writer.clone());
        thread::spawn(move || {
            let reply = answer(&table, request.call).unwrap_or_else(|why| Reply::Failed { why });
            if let Err(error) = send(&writer, &Response { id: request.id, reply }) {
                eprintln!("dirql-lab-agent: cannot answer: {error}");
            }
        });
    }
    Ok(())
}

fn send(writer: &Mutex<File>, response: &Response) -> io::Result<()> {
    let mut line = serde_json::to_vec(response)?;
    line.push(b'\n');
    writer.lock().unwrap_or_else(PoisonError::into_inner).write_all(&line)
}

fn answer(table: &Table, call: Call) -> Result<Reply, String> {
    let find = |pid: i32| {
        let table = table.lock().unwrap_or_else(PoisonError::into_inner);
        table.get(&pid).cloned().ok_or_else(|| format!("no program with pid {pid} was started here"))
    };
    match call {
        Call::Spawn(program) => {
            let process = Process::start(&program)?;
            let pid = process.pid();
            table.lock().unwrap_or_else(PoisonError::into_inner).insert(pid, process);
            Ok(Reply::Started { pid })
        }
        Call::Output { pid, seen, timeout_ms } => {
            Ok(find(pid)?.output(seen, Duration::from_millis(timeout_ms)))
        }
        Call::Wait { pid, timeout_ms } => {
            let reply = find(pid)?.wait(Duration::from_millis(timeout_ms));
            if matches!(reply, Reply::Output { end: Some(_), .. }) {
                table.lock().unwrap_or_else(PoisonError::into_inner).remove(&pid);
            }
            Ok(reply)
        }
        Call::Signal { pid, signal, group } => {
            let process = find(pid)?;
            let signal = nix::sys::signal::Signal::try_from(signal).map_err(|error| error.to_string())?;
            let pid = Pid::from_raw(process.pid());
            let sent = if group { killpg(pid, signal) } else { kill(pid, signal) };
            sent.map(|()| Reply::Done).map_err(|error| format!("{signal} to {pid}: {error}"))
        }
    }
}

/// Opens the port once the kernel has it: there is no udev here, so its name stands in sysfs only.
fn open_port(deadline: Instant) -> io::Result<File> {
    loop {
        for entry in fs::read_dir("/sys/class/virtio-ports").into_iter().flatten().flatten() {
            let name = fs::read_to_string(entry.path().join("name")).unwrap_or_default();
            if name.trim() == PORT {
                return File::options()
                    .read(true)
                    .write(true)
                    .open(format!("/dev/{}", entry.file_name().to_string_lossy()));
            }
        }
        if Instant::now() > deadline {
            return Err(io::Error::new(io::ErrorKind::NotFound, format!("no virtio-serial port {PORT}")));
        }
        thread::sleep(Duration::from_millis(20));
    }
}
