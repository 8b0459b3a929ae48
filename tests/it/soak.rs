//! The dashboard for a minute beside a running study, asked by many and held up by a few: it stays as large as it was.
#![cfg(target_os = "linux")]

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::interruption::{any_line, wait_until};
use crate::lab::{Lab, TINY};

const SOAK: Duration = Duration::from_mins(1);
const REQUESTS_PER_SEC: u32 = 200;
/// Each asks over a connection of its own, which is opened anew when the server closes it.
const CLIENTS: u32 = 8;
/// Connections that are opened and say nothing, and as many that send a byte a second.
const IDLE: usize = 40;

/// What a process holds.
#[derive(Clone, Copy, Debug)]
struct Size {
    memory_kb: u64,
    threads: u64,
    files: usize,
}

impl Size {
    fn of(process: u32) -> Self {
        let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap();
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
            line.split_whitespace().next().unwrap().parse().unwrap()
        };
        Self {
            memory_kb: field("VmRSS:"),
            threads: field("Threads:"),
            files: fs::read_dir(format!("/proc/{process}/fd")).unwrap().count(),
        }
    }
}

/// A program that is stopped with the test.
struct Stopped(Child);

impl Drop for Stopped {
    fn drop(&mut self) {
        let _ended_already = self.0.kill();
        let _reaped = self.0.wait();
    }
}

/// `augtrial serve` on a free port, and its address.
fn dashboard(lab: &Lab) -> (Stopped, String) {
    let mut child = lab.command(&["serve", "--port", "0"]).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let address = line.split("http://").nth(1).and_then(|rest| rest.split(' ').next());
    let address = address.unwrap_or_else(|| panic!("no address in {line:?}")).to_owned();
    (Stopped(child), address)
}

/// A connection that is kept, and opened anew where the server has closed it.
struct Client<'a> {
    address: &'a str,
    stream: Option<BufReader<TcpStream>>,
}

impl Client<'_> {
    /// The status of an answer that came to its end.
    fn get(&mut self, path: &str) -> std::io::Result<u16> {
        let reused = self.stream.is_some();
        match self.ask(path) {
            Err(_) if reused => {
                self.stream = None;
                self.ask(path)
            }
            answer => answer,
        }
    }

    fn ask(&mut self, path: &str) -> std::io::Result<u16> {
        let mut stream = if let Some(stream) = self.stream.take() {
            stream
        } else {
            let stream = TcpStream::connect(self.address)?;
            stream.set_nodelay(true)?;
            stream.set_read_timeout(Some(Duration::from_mins(1)))?;
            BufReader::new(stream)
        };
        write!(stream.get_mut(), "GET {path} HTTP/1.1\r\nHost: {}\r\n\r\n", self.address)?;
        let (mut status, mut length) = (0, 0);
        loop {
            let mut line = String::new();
            if stream.read_line(&mut line)? == 0 {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
            let line = line.trim_end().to_lowercase();
            if let Some(rest) = line.strip_prefix("http/1.1 ") {
                status = rest.split(' ').next().unwrap_or_default().parse().unwrap_or_default();
            } else if let Some(bytes) = line.strip_prefix("content-length: ") {
                length = bytes.parse().unwrap();
            } else if line.is_empty() {
                break;
            }
        }
        stream.read_exact(&mut vec![0; length])?;
        self.stream = Some(stream);
        Ok(status)
    }
}

/// Opens connections that ask for nothing or never to the end, again whenever the server has closed them.
fn hold_up(address: &str, over: &AtomicBool, cut: &AtomicUsize) {
    let mut held: Vec<Option<TcpStream>> = (0..2 * IDLE).map(|_| None).collect();
    while !over.load(Ordering::Relaxed) {
        for (index, place) in held.iter_mut().enumerate() {
            if place.is_none() {
                *place = TcpStream::connect(address).ok();
                if let Some(stream) = place {
                    stream.set_nonblocking(true).unwrap();
                }
            }
            let Some(stream) = place else { continue };
            let closed = stream.read(&mut [0; 64]).is_ok() || (index >= IDLE && stream.write_all(b"G").is_err());
            if closed {
                cut.fetch_add(1, Ordering::Relaxed);
                *place = None;
            }
        }
        thread::sleep(Duration::from_secs(1));
    }
}

#[test]
#[ignore = "needs two minutes of a quiet machine: `make test-soak`"]
fn a_dashboard_beside_a_running_study_answers_for_a_minute_and_grows_by_nothing() {
    let lab = Lab::new(&TINY.replace("updates = 6", "updates = 4000"));
    let run = lab.command(&["run", "experiment.toml", "-q"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    let mut study = Stopped(run.unwrap());
    wait_until(&mut study.0, |_| any_line(&lab.path("runs/trials"), "events.jsonl", "epoch"));
    let (server, address) = dashboard(&lab);
    let process = server.0.id();
    let run = fs::read_dir(lab.path("runs/trials")).unwrap().next().unwrap().unwrap().file_name();
    let paths = [
        "/".to_owned(),
        "/assets/dashboard.js".to_owned(),
        "/api/studies".to_owned(),
        "/api/studies/tiny".to_owned(),
        "/api/studies/tiny/curves?measure=loss".to_owned(),
        format!("/api/runs/{}", run.to_str().unwrap()),
    ];
    let mut first = Client { address: &address, stream: None };
    for path in paths.iter().cycle().take(600) {
        assert_eq!(first.get(path).unwrap(), 200, "{path}");
    }
    drop(first);

    let (over, cut) = (AtomicBool::new(false), AtomicUsize::new(0));
    let seen = Mutex::new((BTreeMap::<String, u32>::new(), Vec::new()));
    let (mut sizes, began) = (Vec::new(), Instant::now());
    thread::scope(|scope| {
        for client in 0..CLIENTS {
            let (address, paths, seen) = (&address, &paths, &seen);
            scope.spawn(move || {
                let mut connection = Client { address, stream: None };
                for turn in 0.. {
                    let due = Duration::from_secs(1) * (turn * CLIENTS + client) / REQUESTS_PER_SEC;
                    if due >= SOAK || began.elapsed() >= SOAK {
                        break;
                    }
                    thread::sleep(due.saturating_sub(began.elapsed()));
                    let asked = Instant::now();
                    let path = &paths[(turn + client) as usize % paths.len()];
                    let answer =
                        connection.get(path).map_or_else(|error| error.to_string(), |status| status.to_string());
                    let mut seen = seen.lock().unwrap();
                    *seen.0.entry(answer).or_default() += 1;
                    seen.1.push(asked.elapsed());
                }
            });
        }
        scope.spawn(|| hold_up(&address, &over, &cut));
        while began.elapsed() < SOAK {
            thread::sleep(Duration::from_secs(2));
            sizes.push(Size::of(process));
        }
        over.store(true, Ordering::Relaxed);
    });

    let (answers, mut times) = seen.into_inner().unwrap();
    times.sort();
    let (early, last) = (sizes[4], *sizes.last().unwrap());
    let most = |of: fn(&Size) -> u64| sizes.iter().map(of).max().unwrap();
    println!(
        "{} answers in {:.0?} ({answers:?}), median {:.1?}, 99 % within {:.1?}, longest {:.1?}; {} slow connections closed; \
         after 10 s {early:?}, at the end {last:?}, at most {} kB, {} threads and {} files",
        times.len(),
        began.elapsed(),
        times[times.len() / 2],
        times[times.len() * 99 / 100],
        times[times.len() - 1],
        cut.into_inner(),
        most(|size| size.memory_kb),
        most(|size| size.threads),
        most(|size| size.files as u64),
    );
    assert!(study.0.try_wait().unwrap().is_none(), "the study was to run beside it");
    assert_eq!(answers.keys().collect::<Vec<_>>(), ["200"], "no error");
    assert!(most(|size| size.threads) <= 8, "one that answers, and four that read");
    // 64 connections, and what four requests at once open to read.
    assert!(most(|size| size.files as u64) <= 64 + 64, "connections are bounded");
    assert!(last.memory_kb <= early.memory_kb + early.memory_kb / 5 + 8_000, "memory does not grow: {sizes:?}");
}
