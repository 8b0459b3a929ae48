//! The running command: its lines as they come, what it prints beside them, and its end.
//!
//! On Unix it leads a process group of its own, so that what it started ends with it, and so that Ctrl-C in a terminal reaches
//! it through augtrial alone, which lets it save first.

use std::collections::VecDeque;
use std::io::{self, BufRead as _, BufReader, Read, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::Serialize;

use crate::LOG_FILE_NAME;
use crate::error::Fault;
use augtrial_base::disk::Log;

/// Bytes of a line at most: a prediction of 10,000 classes has a fortieth of it.
const MOST_LINE_BYTES: u64 = 8 << 20;
/// Bytes that are kept of what it prints.
const MOST_LOG_BYTES: usize = 16 << 20;
/// Lines that a failure shows at most.
const TAIL_LINES: usize = 12;
/// Characters of one of them, and of all: a reason that is recorded is cut at its end, where the last line stands.
const LINE_CHARS: usize = 160;
const TAIL_CHARS: usize = 280;
/// How long the rest of its output is waited for when it has ended: what it started may keep it open.
const END_PATIENCE: Duration = Duration::from_secs(2);

/// What is heard of it.
#[derive(Debug)]
pub enum Heard {
    /// A line of its standard output that begins like a JSON object, and its number, from 1.
    Line(String, u64),
    TooLong(u64),
    /// Its standard output has ended.
    End,
    /// So has its standard error.
    Quiet,
}

/// A command under way. Killed if it is dropped before its end.
pub struct Process {
    child: Child,
    input: Option<ChildStdin>,
    heard: Receiver<Heard>,
    printed: Arc<Mutex<Printed>>,
    ended: Option<ExitStatus>,
}

impl Process {
    /// Starts it; what it prints goes to a log in `folder`.
    pub fn start(mut command: Command, folder: &Path) -> Result<Self, Fault> {
        let log = folder.join(LOG_FILE_NAME);
        let printed = Arc::new(Mutex::new(Printed::new(Log::open(&log).map_err(Fault::io("open", &log))?)));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let mut child = command.spawn().map_err(|source| Fault::Start {
            program: command.get_program().to_string_lossy().into_owned(),
            folder: command.get_current_dir().unwrap_or(Path::new(".")).to_owned(),
            source,
        })?;
        let (sender, heard) = channel();
        let (output, errors) = (child.stdout.take().expect("piped"), child.stderr.take().expect("piped"));
        let (input, beside, also) = (child.stdin.take(), Arc::clone(&printed), Arc::clone(&printed));
        let errors_sender = sender.clone();
        std::thread::spawn(move || listen(output, &beside, &sender));
        std::thread::spawn(move || {
            collect(errors, &also);
            let _ = errors_sender.send(Heard::Quiet);
        });
        Ok(Self { child, input, heard, printed, ended: None })
    }

    /// What is heard next; nothing if that takes longer than `patience`.
    pub fn next(&self, patience: Duration) -> Option<Heard> {
        match self.heard.recv_timeout(patience) {
            Ok(heard) => Some(heard),
            Err(RecvTimeoutError::Timeout) => None,
            // Both ends were heard, or a thread of ours is gone: there is nothing to wait for.
            Err(RecvTimeoutError::Disconnected) => Some(Heard::End),
        }
    }

    /// Writes a line to its standard input. If it does not read any more, its end tells why.
    pub fn tell(&mut self, answer: &impl Serialize) {
        let mut line = serde_json::to_vec(answer).expect("plain data has a JSON form");
        line.push(b'\n');
        if let Some(input) = &mut self.input
            && input.write_all(&line).and_then(|()| input.flush()).is_err()
        {
            self.input = None;
        }
    }

    /// How it ended, if it has.
    pub fn status(&mut self) -> io::Result<Option<ExitStatus>> {
        if self.ended.is_none() {
            self.ended = self.child.try_wait()?;
        }
        Ok(self.ended)
    }

    /// Asks it to stop: it may save and end.
    pub fn ask_to_stop(&mut self) {
        self.signal(Wish::Stop);
    }

    /// Ends it, and what it started.
    pub fn kill(&mut self) {
        self.signal(Wish::End);
        if self.ended.is_none() {
            let _ = self.child.kill();
            self.ended = self.child.wait().ok();
        }
    }

    /// Its last lines, worded to follow a sentence; empty if it printed nothing.
    pub fn tail(&self) -> String {
        let patience = END_PATIENCE;
        // What was printed just before the end may still be on its way.
        while let Ok(heard) = self.heard.recv_timeout(patience) {
            if matches!(heard, Heard::Quiet) {
                break;
            }
        }
        self.printed.lock().unwrap_or_else(PoisonError::into_inner).shown()
    }

    #[cfg(unix)]
    fn signal(&self, wish: Wish) {
        use rustix::process::{Pid, Signal, kill_process_group};
        let signal = match wish {
            Wish::Stop => Signal::TERM,
            Wish::End => Signal::KILL,
        };
        // A group of which nobody is left is what is wanted.
        let _ = kill_process_group(Pid::from_child(&self.child), signal);
    }

    #[cfg(not(unix))]
    fn signal(&self, _wish: Wish) {}
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

#[derive(Clone, Copy)]
enum Wish {
    Stop,
    End,
}

/// How a process ended, to follow "it".
pub fn described(status: ExitStatus) -> String {
    #[cfg(unix)]
    if let Some(signal) = std::os::unix::process::ExitStatusExt::signal(&status) {
        return format!("was ended by signal {signal}");
    }
    status.code().map_or_else(|| "ended without a code".to_owned(), |code| format!("ended with code {code}"))
}

/// Hands on lines that begin like a JSON object; everything else was printed by some library.
fn listen(output: impl Read, printed: &Mutex<Printed>, sender: &Sender<Heard>) {
    let mut output = BufReader::new(output);
    for number in 1.. {
        let mut line = Vec::new();
        let read = output.by_ref().take(MOST_LINE_BYTES).read_until(b'\n', &mut line);
        let heard = match read {
            Ok(0) | Err(_) => break,
            Ok(bytes) if bytes as u64 == MOST_LINE_BYTES && !line.ends_with(b"\n") => Heard::TooLong(number),
            Ok(_) if line.trim_ascii_start().starts_with(b"{") => {
                Heard::Line(String::from_utf8_lossy(line.trim_ascii()).into_owned(), number)
            }
            Ok(_) => {
                printed.lock().unwrap_or_else(PoisonError::into_inner).keep(&line);
                continue;
            }
        };
        if sender.send(heard).is_err() {
            return;
        }
    }
    let _ = sender.send(Heard::End);
}

fn collect(errors: impl Read, printed: &Mutex<Printed>) {
    let mut errors = BufReader::new(errors);
    loop {
        let mut line = Vec::new();
        match errors.by_ref().take(MOST_LINE_BYTES).read_until(b'\n', &mut line) {
            Ok(0) | Err(_) => return,
            Ok(_) => printed.lock().unwrap_or_else(PoisonError::into_inner).keep(&line),
        }
    }
}

/// What it printed that is no event.
struct Printed {
    log: Log,
    bytes: usize,
    tail: VecDeque<String>,
}

impl Printed {
    fn new(log: Log) -> Self {
        Self { log, bytes: 0, tail: VecDeque::new() }
    }

    fn keep(&mut self, line: &[u8]) {
        let text = String::from_utf8_lossy(line);
        let text = text.trim_end();
        if !text.is_empty() {
            self.tail.push_back(text.chars().take(LINE_CHARS).collect());
            if self.tail.len() > TAIL_LINES {
                self.tail.pop_front();
            }
        }
        if self.bytes < MOST_LOG_BYTES {
            self.bytes += text.len() + 1;
            // The log helps people; a trial does not fail for it.
            let _ = self.log.append_unsynced(format!("{text}\n").as_bytes());
        }
    }

    fn shown(&self) -> String {
        if self.tail.is_empty() {
            return "; it printed nothing".to_owned();
        }
        let mut chars = 0;
        let fits = |line: &&str| {
            chars += line.chars().count();
            chars <= TAIL_CHARS
        };
        let mut lines: Vec<&str> = self.tail.iter().rev().map(String::as_str).take_while(fits).collect();
        lines.reverse();
        format!("; its last lines ({LOG_FILE_NAME} has all): {}", lines.join(" | "))
    }
}
