//! The dashboard as a browser sees it: over HTTP, and in headless Chromium where there is one.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::connections::Bounds;
use super::server::serve_within;
use super::{Folders, bind};
use augtrial_registry::testing::*;

/// A dashboard over the folders `runs` and `reports` of a temporary one; stopped when dropped.
struct Server {
    folder: tempfile::TempDir,
    address: SocketAddr,
    stop: Option<tokio::sync::oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

struct Answer {
    status: u16,
    headers: String,
    body: String,
}

impl Server {
    fn start() -> Self {
        Self::start_with(false, Bounds::default())
    }

    /// With test results of studies that have not ended.
    fn start_peeking() -> Self {
        Self::start_with(true, Bounds::default())
    }

    fn start_with(peek: bool, bounds: Bounds) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let listener = bind(0).unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = tokio::sync::oneshot::channel();
        let folders = Folders { runs: folder.path().join("runs"), reports: folder.path().join("reports"), peek };
        let thread = std::thread::spawn(move || {
            serve_within(bounds, listener, folders, async { drop(stopped.await) }).unwrap();
        });
        Self { folder, address, stop: Some(stop), thread: Some(thread) }
    }

    fn runs(&self) -> PathBuf {
        self.folder.path().join("runs")
    }

    fn write_report(&self, file: &str, content: &str) {
        let path = self.folder.path().join("reports").join(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }

    /// Sends a request line and headers as they are.
    fn send(&self, request: &str) -> Answer {
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream.write_all(format!("{request}\r\nConnection: close\r\n\r\n").as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (headers, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = headers.split(' ').nth(1).unwrap().parse().unwrap();
        Answer { status, headers: headers.to_lowercase(), body: body.to_owned() }
    }

    fn get(&self, path: &str) -> Answer {
        self.send(&format!("GET {path} HTTP/1.1\r\nHost: {}", self.address))
    }

    fn json(&self, path: &str) -> Value {
        let answer = self.get(path);
        assert_eq!(answer.status, 200, "{path}: {}", answer.body);
        serde_json::from_str(&answer.body).unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.stop.take());
        let ended = self.thread.take().map(std::thread::JoinHandle::join);
        assert!(std::thread::panicking() || ended.is_none_or(|ended| ended.is_ok()), "the server ended badly");
    }
}

impl Answer {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.lines().find_map(|line| line.strip_prefix(&format!("{name}: ")))
    }
}

fn states(study: &Value) -> Vec<(&str, Vec<&str>)> {
    let arms = study["arms"].as_array().unwrap().iter();
    arms.map(|arm| {
        let trials = arm["trials"].as_array().unwrap().iter().map(|trial| trial["state"].as_str().unwrap());
        (arm["arm"].as_str().unwrap(), trials.collect())
    })
    .collect()
}

#[test]
fn before_the_first_run_there_are_no_studies() {
    let server = Server::start();
    assert_eq!(server.json("/api/studies"), serde_json::json!({ "studies": [] }));
    assert_eq!(server.get("/api/studies/demo").status, 404);
    assert!(!server.runs().exists(), "looking makes nothing");
}

#[test]
fn the_grid_has_every_planned_trial_with_its_state_and_a_held_lock_is_a_running_one() {
    let server = Server::start_peeking();
    let [finished, ..] = three_runs(&server.runs());
    let registry = open(&server.runs());
    let mut guard = begin(&registry, &plan("demo"), 1, 2);
    record_all(&mut guard, &start_events());
    train(&mut guard, 1, 1);

    let study = server.json("/api/studies/demo");
    assert_eq!(study["seeds"], serde_json::json!([1, 2, 3]));
    assert_eq!((&study["synthetic"], &study["protocol"]), (&true.into(), &"leak-free".into()));
    let expected =
        [("plain", vec!["finished", "interrupted", "planned"]), ("flips", vec!["failed", "running", "planned"])];
    assert_eq!(states(&study), expected);
    let cell = &study["arms"][0]["trials"][0];
    assert_eq!((&cell["run"], &cell["test_top1"]), (&finished.to_string().into(), &(2.0 / 3.0).into()));
    assert_eq!(study["arms"][1]["trials"][0]["reason"], "out of memory");
    let running = &study["arms"][1]["trials"][1];
    assert_eq!((&running["epochs"], &running["total_epochs"]), (&1.into(), &EPOCHS.into()));
    let line = &server.json("/api/studies")["studies"][0];
    assert_eq!(line["trials"].to_string(), r#"{"finished":1,"running":1,"interrupted":1,"failed":1,"planned":2}"#);

    drop(guard);
    assert_eq!(
        states(&server.json("/api/studies/demo"))[1].1,
        ["failed", "interrupted", "planned"],
        "nobody holds it now"
    );
}

#[test]
fn curves_are_of_every_seed_and_a_mean_of_the_finished_ones() {
    let server = Server::start();
    let registry = open(&server.runs());
    let plan = plan("demo");
    for seed in [1, 2] {
        complete(begin(&registry, &plan, 0, seed));
    }
    let mut guard = begin(&registry, &plan, 1, 1);
    record_all(&mut guard, &start_events());
    train(&mut guard, 1, 1);
    let curves = server.json("/api/studies/demo/curves?measure=loss");
    let plain = &curves["arms"][0]["curves"][0];
    assert_eq!(plain["seeds"].as_array().unwrap().len(), 2);
    assert_eq!((&plain["updates"], &plain["mean"]), (&vec![5.0, 10.0, 15.0].into(), &vec![0.3333, 0.25, 0.2].into()));
    assert_eq!((&curves["arms"][0]["color"], &curves["arms"][0]["dash"]), (&0.into(), &"".into()));
    let flips = &curves["arms"][1]["curves"][0];
    let seed = &flips["seeds"][0];
    assert_eq!((&seed["state"], &seed["updates"]), (&"running".into(), &vec![5.0].into()));
    assert_eq!(flips["mean"], serde_json::json!([]), "no run has ended");
    for refused in ["measure=beauty", "part=test"] {
        assert_eq!(server.get(&format!("/api/studies/demo/curves?{refused}")).status, 400, "{refused}");
    }
    assert_eq!(server.get("/api/studies/dem/curves").status, 404);
}

#[test]
fn test_results_of_a_study_that_has_not_ended_are_not_shown_unless_asked_and_then_the_record_says_so() {
    let server = Server::start();
    let [finished, ..] = three_runs(&server.runs());
    server.write_report("demo/report.html", "an early report");
    let registry = open(&server.runs());
    let digest = plan("demo").digest();
    let run = format!("/api/runs/{finished}");
    let study = server.json("/api/studies/demo");
    assert_eq!((&study["unfinished"], &study["hidden"]), (&true.into(), &true.into()));
    let cell = &study["arms"][0]["trials"][0];
    assert_eq!((&cell["state"], &cell["test_top1"]), (&"finished".into(), &Value::Null));
    assert!(cell["validation_top1"].is_number());
    assert_eq!(study["reports"], serde_json::json!([]), "it shows test results too");
    let early = server.get("/reports/demo/report.html");
    assert!(early.status == 404 && early.body.contains("--peek"), "typed by hand: {}", early.body);
    let shown = server.json(&run);
    assert_eq!((&shown["hidden"], &shown["state"]["test"]), (&true.into(), &Value::Null));
    assert_eq!(registry.peeked_at("demo", &digest).unwrap(), None);
    // The report of a plan that was finished before may be read.
    server.write_report("demo/newest.json", r#"{"complete": true}"#);
    assert_eq!(server.json("/api/studies/demo")["reports"], serde_json::json!(["/reports/demo/report.html"]));
    assert_eq!(server.get("/reports/demo/report.html").body, "an early report");

    let peeking = Server::start_peeking();
    three_runs(&peeking.runs());
    let registry = open(&peeking.runs());
    peeking.json("/api/studies");
    assert_eq!(registry.peeked_at("demo", &digest).unwrap(), None, "the list shows no test result");
    let study = peeking.json("/api/studies/demo");
    assert_eq!((&study["hidden"], study["arms"][0]["trials"][0]["test_top1"].is_number()), (&false.into(), true));
    assert!(registry.peeked_at("demo", &digest).unwrap().is_some());
}

#[test]
fn a_study_that_has_ended_shows_its_test_results_and_nobody_has_peeked() {
    let server = Server::start();
    let registry = open(&server.runs());
    let plan = plan("demo");
    for (arm, seed) in (0..2).flat_map(|arm| [1, 2, 3].map(|seed| (arm, seed))) {
        complete(begin(&registry, &plan, arm, seed));
    }
    let study = server.json("/api/studies/demo");
    assert_eq!((&study["unfinished"], &study["hidden"]), (&false.into(), &false.into()));
    assert!(study["arms"][1]["trials"][2]["test_top1"].is_number());
    assert_eq!(registry.peeked_at("demo", &plan.digest()).unwrap(), None);
}

#[test]
fn a_run_is_shown_by_its_whole_id_only() {
    let server = Server::start();
    let [finished, ..] = three_runs(&server.runs());
    let run = server.json(&format!("/api/runs/{finished}"));
    assert_eq!((&run["header"]["arm"], &run["status"]["status"]), (&"plain".into(), &"finished".into()));
    assert_eq!(run["epochs"].as_array().unwrap().len(), 2 * EPOCHS as usize);
    assert_eq!(run["provenance"]["backend"]["libtorch"], "2.13.0");
    for id in ["latest", &finished.to_string()[..8], "..%2f..", "00000000000000ff"] {
        assert_eq!(server.get(&format!("/api/runs/{id}")).status, 404, "{id}");
    }
    let nearest = server.get("/api/studies/dem");
    assert!(nearest.status == 404 && nearest.body.contains("nearest: demo"), "{}", nearest.body);
}

#[test]
fn an_answer_that_the_browser_has_is_not_sent_again() {
    let server = Server::start();
    three_runs(&server.runs());
    let first = server.get("/api/studies/demo");
    let etag = first.header("etag").unwrap();
    let again = |etag: &str| {
        server.send(&format!("GET /api/studies/demo HTTP/1.1\r\nHost: localhost\r\nIf-None-Match: {etag}"))
    };
    let same = again(etag);
    assert_eq!((same.status, same.body.as_str(), same.header("etag")), (304, "", Some(etag)));
    let registry = open(&server.runs());
    let _guard = begin(&registry, &plan("demo"), 1, 3);
    assert_eq!(again(etag).status, 200, "there is news");
}

#[test]
fn foreign_hosts_and_everything_but_reading_are_refused() {
    let server = Server::start();
    three_runs(&server.runs());
    for host in ["evil.example", "localhost.evil.example:8642", "10.0.0.1", ""] {
        for path in ["/", "/api/studies", "/assets/dashboard.js", "/nothing"] {
            let answer = server.send(&format!("GET {path} HTTP/1.1\r\nHost: {host}"));
            assert_eq!((answer.status, answer.body.contains("demo")), (403, false), "{host} {path}");
        }
    }
    let two = server.send("GET / HTTP/1.1\r\nHost: localhost\r\nHost: evil.example");
    assert!([400, 403].contains(&two.status), "{}", two.status);
    assert_eq!(server.send("GET http://evil.example/ HTTP/1.1\r\nHost: localhost").status, 403);
    for method in ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"] {
        let answer = server.send(&format!("{method} /api/studies HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0"));
        assert_eq!((answer.status, answer.header("allow")), (405, Some("get, head")), "{method}");
    }
    let head = server.send("HEAD /api/studies HTTP/1.1\r\nHost: 127.0.0.1");
    assert_eq!((head.status, head.body.as_str()), (200, ""));
    assert!(server.address.ip().is_loopback());
}

#[test]
fn reports_are_served_with_their_types_and_policies_and_nothing_else_is() {
    let server = Server::start();
    three_runs(&server.runs());
    server.write_report("demo/report.html", "<script>1</script>");
    server.write_report("demo/newest.json", r#"{"complete": true}"#);
    server.write_report("demo/report.md", "# Report");
    server.write_report("demo/figures/a b.svg", "<svg/>");
    server.write_report("../secret.md", "secret");
    let study = server.json("/api/studies/demo");
    assert_eq!(study["reports"], serde_json::json!(["/reports/demo/report.html", "/reports/demo/report.md"]));

    let page = server.get("/reports/demo/report.html");
    assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"));
    let policy = page.header("content-security-policy").unwrap();
    assert!(policy.starts_with("sandbox allow-scripts") && !policy.contains("allow-same-origin"), "{policy}");
    let figure = server.get("/reports/demo/figures/a%20b.svg");
    assert_eq!((figure.header("content-type"), figure.body.as_str()), (Some("image/svg+xml"), "<svg/>"));
    assert!(figure.header("content-security-policy").unwrap().starts_with("sandbox; default-src 'none'"));
    assert_eq!(server.get("/reports/demo/report.md").header("content-type"), Some("text/plain; charset=utf-8"));
    for path in [
        "/reports/demo/../../secret.md",
        "/reports/demo/..%2f..%2fsecret.md",
        "/reports/..%2fsecret.md",
        "/reports/%2e%2e/secret.md",
        "/reports/demo/%2e%2e/%2e%2e/secret.md",
        "/reports/demo/..%5c..%5csecret.md",
        "/reports/demo//etc/passwd",
        "/reports/demo/%2fetc%2fpasswd",
        "/reports/demo/",
        "/reports/demo/figures",
    ] {
        let answer = server.get(path);
        assert!(answer.status == 404 && !answer.body.contains("secret\n"), "{path}: {}", answer.status);
    }
}

#[test]
fn the_page_runs_no_inline_script_and_every_answer_is_guarded() {
    let server = Server::start();
    let page = server.get("/");
    let policy = page.header("content-security-policy").unwrap();
    assert!(policy.contains("script-src 'self'") && !policy.contains("unsafe"), "{policy}");
    assert!(!page.body.contains("<script>") && !page.body.contains("style=\""), "nothing inline");
    for path in ["/", "/assets/dashboard.css", "/assets/dashboard.js", "/api/studies", "/nothing"] {
        let answer = server.get(path);
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{path}");
        assert_eq!(answer.header("cross-origin-resource-policy"), Some("same-origin"), "{path}");
    }
    assert_eq!(server.get("/assets/dashboard.js").header("content-type"), Some("text/javascript; charset=utf-8"));
}

#[test]
fn a_port_that_is_taken_is_an_error_that_says_so() {
    let taken = bind(0).unwrap();
    let port = taken.local_addr().unwrap().port();
    assert_eq!(
        bind(port).unwrap_err().to_string(),
        format!("cannot listen on 127.0.0.1:{port}: choose another with --port")
    );
}

/// Reads until the server closes the connection, and says how many bytes came and how long that took.
fn until_closed(stream: &mut TcpStream) -> (usize, Duration) {
    let began = Instant::now();
    stream.set_read_timeout(Some(Duration::from_mins(1))).unwrap();
    let (mut bytes, mut buffer) = (0, vec![0; 1 << 16]);
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => break,
            Ok(some) => bytes += some,
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => break,
            Err(error) => panic!("{bytes} bytes, then {error}"),
        }
    }
    (bytes, began.elapsed())
}

/// Bounds that a test can wait for.
const SHORT: Bounds =
    Bounds { connections: 4, request: Duration::from_millis(300), connection: Duration::from_millis(1500) };

#[test]
fn half_a_request_a_byte_at_a_time_and_an_idle_connection_are_closed() {
    let server = Server::start_with(false, SHORT);
    let mut silent = TcpStream::connect(server.address).unwrap();
    let mut half = TcpStream::connect(server.address).unwrap();
    half.write_all(b"GET / HTTP/1.1\r\nHost: localh").unwrap();
    let mut kept = TcpStream::connect(server.address).unwrap();
    kept.write_all(b"GET /nothing HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    assert_eq!(until_closed(&mut silent).0, 0, "nothing was asked");
    assert_eq!(until_closed(&mut half).0, 0, "nothing was asked to its end");
    assert!(until_closed(&mut kept).0 > 100, "it was answered first");

    let mut slow = TcpStream::connect(server.address).unwrap();
    let bytes = b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Long: ".iter().chain(std::iter::repeat(&b'x'));
    let began = Instant::now();
    let sent = bytes.take_while(|byte| {
        std::thread::sleep(Duration::from_millis(50));
        began.elapsed() < Duration::from_secs(30) && slow.write_all(&[**byte]).is_ok()
    });
    assert!(sent.count() < 200, "a header may not be sent for ever");
}

#[test]
fn an_answer_that_is_read_too_slowly_is_cut_and_other_clients_are_served() {
    // More than what the system keeps for a connection that is not read.
    const REPORT_BYTES: usize = 24 << 20;
    let bounds = Bounds { connection: Duration::from_secs(5), ..SHORT };
    let server = Server::start_with(false, bounds);
    server.write_report("demo/report.md", &"x".repeat(REPORT_BYTES));
    let mut slow = TcpStream::connect(server.address).unwrap();
    slow.write_all(b"GET /reports/demo/report.md HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    let mut first = [0];
    slow.read_exact(&mut first).unwrap();
    assert_eq!(server.get("/").status, 200, "meanwhile");
    std::thread::sleep(bounds.connection + Duration::from_secs(4));
    assert!(until_closed(&mut slow).0 < REPORT_BYTES, "what was not taken in time is not sent");
}

#[test]
fn more_idle_connections_than_there_may_be_delay_a_request_and_do_not_stop_it() {
    let server = Server::start_with(false, SHORT);
    let idle: Vec<_> = (0..6 * SHORT.connections).map(|_| TcpStream::connect(server.address).unwrap()).collect();
    let began = Instant::now();
    assert_eq!(server.get("/").status, 200);
    assert!(began.elapsed() >= SHORT.request, "all connections were taken: {:?}", began.elapsed());
    drop(idle);
}

/// The page's content after its script ran.
fn rendered(server: &Server, hash: &str) -> String {
    let browsers = ["chromium", "chromium-browser", "google-chrome"];
    let profile = server.folder.path().join("profile");
    for browser in browsers {
        let output = Command::new(browser)
            .args(["--headless", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=5000", "--dump-dom"])
            .arg(format!("--user-data-dir={}", profile.display()))
            .arg(format!("http://{}/{hash}", server.address))
            .output();
        match output {
            Ok(output) => return String::from_utf8_lossy(&output.stdout).into_owned(),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => panic!("{browser}: {error}"),
        }
    }
    panic!("none of {browsers:?} is installed")
}

#[test]
#[ignore = "needs Chromium: `make test-browser`"]
fn a_browser_shows_studies_arms_and_curves() {
    let server = Server::start();
    three_runs(&server.runs());
    let registry = open(&server.runs());
    let mut guard = begin(&registry, &plan("demo"), 1, 2);
    record_all(&mut guard, &start_events());
    train(&mut guard, 1, 2);
    let list = rendered(&server, "");
    assert!(list.contains("href=\"#/study/demo\""), "{list}");
    assert!(list.contains("1 finished") && list.contains("1 running"), "{list}");
    let study = rendered(&server, "#/study/demo");
    for part in ["data-arm=\"plain\"", "data-arm=\"flips\"", "data-state=\"running\"", "2/3 epochs", "val.", "--peek"] {
        assert!(study.contains(part), "{part}:\n{study}");
    }
    // A finished run's curve and the running one's.
    assert!(study.contains("data-curves=\"2\"") && study.contains("class=\"seed live\""), "{study}");
    let run = rendered(&server, &format!("#/run/{}", guard.run()));
    assert!(run.contains("Provenance") && run.contains("backend.libtorch"), "{run}");
    let unknown = rendered(&server, "#/study/dem");
    assert!(unknown.contains("nearest: demo"), "{unknown}");
}
