//! The report's page in a real browser, driven over its debugging pipe.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use serde_json::{Value, json};

/// Longest wait for an answer of the browser.
const PATIENCE: Duration = Duration::from_mins(1);

/// Chromium with one page, closed at the end.
struct Browser {
    process: Child,
    requests: ChildStdin,
    messages: Receiver<Value>,
    session: String,
    next: u64,
    /// Pages that were loaded so far.
    loads: u32,
    /// Errors and failed assertions that the page reported, and what its policy blocked.
    complaints: Vec<Value>,
    /// Addresses that the page asked for.
    requested: Vec<String>,
    _profile: tempfile::TempDir,
}

impl Browser {
    fn start() -> Self {
        let found = ["chromium", "chromium-browser", "google-chrome"].into_iter().find(|name| {
            let asked = Command::new(name).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
            asked.is_ok_and(|status| status.success())
        });
        let name = found.expect("chromium, chromium-browser or google-chrome is on PATH");
        let profile = tempfile::tempdir().unwrap();
        // The pipe is file descriptors 3 and 4; the shell makes them of its own input and output.
        let line = format!(
            "exec {name} --headless --no-sandbox --disable-gpu --remote-debugging-pipe --user-data-dir={} about:blank \
             3<&0 4>&1 1>&2 2>/dev/null",
            profile.path().display()
        );
        let mut process =
            Command::new("sh").args(["-c", &line]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let requests = process.stdin.take().unwrap();
        let mut answers = BufReader::new(process.stdout.take().unwrap());
        let (send, messages) = channel();
        std::thread::spawn(move || {
            let mut bytes = Vec::new();
            while answers.read_until(0, &mut bytes).is_ok() && bytes.pop() == Some(0) {
                if send.send(serde_json::from_slice(&bytes).unwrap()).is_err() {
                    break;
                }
                bytes.clear();
            }
        });
        let mut browser = Self {
            process,
            requests,
            messages,
            session: String::new(),
            next: 0,
            loads: 0,
            complaints: Vec::new(),
            requested: Vec::new(),
            _profile: profile,
        };
        let target = browser.call("Target.createTarget", &json!({ "url": "about:blank" }));
        let attach = json!({ "targetId": target["targetId"], "flatten": true });
        let attached = browser.call("Target.attachToTarget", &attach);
        browser.session = attached["sessionId"].as_str().unwrap().into();
        for domain in ["Page", "Runtime", "Log", "Network"] {
            browser.call(&format!("{domain}.enable"), &json!({}));
        }
        browser
    }

    /// Sends a command and waits for its answer; events on the way are kept if they matter.
    fn call(&mut self, method: &str, parameters: &Value) -> Value {
        self.next += 1;
        let mut request = json!({ "id": self.next, "method": method, "params": parameters });
        if !self.session.is_empty() {
            request["sessionId"] = self.session.clone().into();
        }
        self.requests.write_all(format!("{request}\0").as_bytes()).unwrap();
        self.requests.flush().unwrap();
        loop {
            let message = self.read();
            if message["id"] == self.next {
                assert!(message.get("error").is_none(), "{method}: {message}");
                return message["result"].clone();
            }
        }
    }

    fn read(&mut self) -> Value {
        let message = self.messages.recv_timeout(PATIENCE).expect("the browser answers");
        match message["method"].as_str() {
            Some("Runtime.exceptionThrown" | "Log.entryAdded") => self.complaints.push(message.clone()),
            Some("Runtime.consoleAPICalled")
                if ["error", "assert", "warning"].iter().any(|t| message["params"]["type"] == *t) =>
            {
                self.complaints.push(message.clone());
            }
            Some("Page.loadEventFired") => self.loads += 1,
            Some("Network.requestWillBeSent") => {
                self.requested.push(message["params"]["request"]["url"].as_str().unwrap().to_owned());
            }
            _ => {}
        }
        message
    }

    /// Opens a file and waits until it is loaded.
    fn open(&mut self, page: &Path) {
        let before = self.loads;
        self.call("Page.navigate", &json!({ "url": format!("file://{}", page.display()) }));
        while self.loads == before {
            self.read();
        }
    }

    /// The value of an expression in the page.
    fn value(&mut self, expression: &str) -> Value {
        let asked = json!({ "expression": expression, "returnByValue": true, "awaitPromise": true });
        let answer = self.call("Runtime.evaluate", &asked);
        assert!(answer.get("exceptionDetails").is_none(), "{expression}: {answer}");
        answer["result"]["value"].clone()
    }

    /// The window's size in pixels of the page.
    fn resize(&mut self, width: u32, height: u32) {
        let metrics = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
        self.call("Emulation.setDeviceMetricsOverride", &metrics);
        // Time for the observers of sizes.
        self.value("new Promise((done) => setTimeout(() => done(true), 200))");
    }

    fn press(&mut self, key: &str) {
        // A button is pressed by the character, not by the key.
        let text = if key == "Enter" { "\r" } else { "" };
        for kind in ["keyDown", "keyUp"] {
            let event =
                json!({ "type": kind, "key": key, "code": key, "windowsVirtualKeyCode": code(key), "text": text });
            self.call("Input.dispatchKeyEvent", &event);
        }
    }
}

fn code(key: &str) -> u32 {
    match key {
        "Enter" => 13,
        "Escape" => 27,
        "ArrowRight" => 39,
        other => panic!("no code for {other}"),
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// First cells of the body of the table that the selector names.
const FIRST_CELLS: &str =
    "(() => [...document.querySelectorAll('#table-budget tbody tr')].map((row) => row.cells[0].textContent))()";

/// Elements that stick out of the page, but for those in a box that scrolls.
const OVERFLOWING: &str = "(() => {
    const root = document.documentElement;
    const out = [...document.body.querySelectorAll('*')].filter((e) => e.getBoundingClientRect().right > root.clientWidth + 1
        && e.checkVisibility() && !e.closest('.scroll, nav ul, pre, svg'));
    return [root.scrollWidth - root.clientWidth, out.map((e) => e.outerHTML.slice(0, 120))];
})()";

#[test]
#[ignore = "needs Chromium: `make test-browser`"]
fn the_page_works_in_a_browser_by_mouse_and_by_keyboard() {
    let mut browser = Browser::start();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("report.html");
    std::fs::write(&path, crate::report::sample_page()).unwrap();
    browser.resize(1200, 900);
    browser.open(&path);

    // A column is sorted up, then down, and says so.
    let column = "[...document.querySelectorAll('#table-budget thead th')].find((th) => th.textContent === 'Updates')";
    let click = format!("{column}.querySelector('button').click()");
    let as_written = browser.value(FIRST_CELLS);
    browser.value(&click);
    assert_eq!(browser.value(FIRST_CELLS), as_written, "the arms are written in the order of their updates");
    browser.value(&click);
    let reversed: Vec<Value> = as_written.as_array().unwrap().iter().rev().cloned().collect();
    assert_eq!(browser.value(FIRST_CELLS), Value::from(reversed));
    assert_eq!(browser.value(&format!("{column}.getAttribute('aria-sort')")), "descending");

    // The theme changes every color, and is remembered where storage is allowed.
    let background = "getComputedStyle(document.body).backgroundColor";
    let light = browser.value(background);
    browser.value("document.getElementById('theme').click()");
    assert_ne!(browser.value(background), light);
    browser.open(&path);
    assert_ne!(browser.value(background), light, "the choice outlives the page");
    browser.value("document.getElementById('theme').click()");

    // Curves: a key moves the cursor, and the read-out has a row for each arm that is switched on.
    browser.value("document.querySelector('.plot').focus()");
    browser.press("ArrowRight");
    let rows = "document.querySelectorAll('.readout tbody tr').length";
    assert_eq!(browser.value(rows), 3);
    browser.value("document.querySelector('#curves [aria-label=arms] input').click()");
    assert_eq!(browser.value(rows), 2);
    let axis = "document.querySelector('.plot').getAttribute('aria-label')";
    browser.value("document.querySelector('[data-choice=updates]').click()");
    browser.value("document.querySelector('[data-choice=loss]').click()");
    let shown = browser.value(axis);
    let expected = "Cross-entropy loss (nats), Validation part, by optimizer updates: traditional, ip2p";
    assert_eq!(shown, expected, "the first arm is switched off");
    let lines = "document.querySelectorAll('.plot .seed').length";
    assert_eq!(browser.value(lines), 10, "five seeds of two arms");
    browser.value("document.querySelector('#curves .seeds input').click()");
    assert_eq!(browser.value(lines), 0);
    // The first arm is back, and all are told apart by color and dash.
    browser.value("document.querySelector('#curves [aria-label=arms] input').click()");
    let styles = "new Set([...document.querySelectorAll('.plot .mean')].map((line) => getComputedStyle(line).stroke \
                  + line.getAttribute('stroke-dasharray'))).size";
    assert_eq!(browser.value(styles), 3);

    // Gallery: filtered to what is missing, then enlarged and closed by keys.
    let visible = "[...document.querySelectorAll('.derived')].filter((figure) => !figure.hidden).length";
    assert_eq!(browser.value(visible), 4);
    browser.value("document.getElementById('filter-missing').click()");
    assert_eq!(browser.value(visible), 1);
    browser.value("document.getElementById('filter-missing').click()");
    browser.value("document.querySelector('.derived .enlarge').focus()");
    browser.press("Enter");
    let open = "document.getElementById('viewer').open";
    assert_eq!(browser.value(open), true);
    let arm = "document.getElementById('viewer-caption').textContent";
    let first = browser.value(arm);
    browser.press("ArrowRight");
    assert_ne!(browser.value(arm), first, "an arrow shows the next image");
    browser.press("Escape");
    assert_eq!(browser.value(open), false);

    assert_eq!(browser.complaints, Vec::<Value>::new());
    let foreign = browser.requested.iter().filter(|url| !url.starts_with("data:") && !url.ends_with("/report.html"));
    assert_eq!(foreign.collect::<Vec<_>>(), Vec::<&String>::new(), "the page asks for nothing but itself");
}

/// The sample page in a browser.
fn opened(width: u32) -> (Browser, tempfile::TempDir) {
    let mut browser = Browser::start();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("report.html");
    std::fs::write(&path, crate::report::sample_page()).unwrap();
    browser.resize(width, 900);
    browser.open(&path);
    (browser, folder)
}

#[test]
#[ignore = "needs Chromium: `make test-browser`"]
fn the_page_folds_what_is_not_the_answer_and_fits_a_phone_and_paper() {
    let (mut browser, _folder) = opened(1200);
    // What is not the answer is folded, and opens by a key.
    let fold = "[...document.querySelectorAll('#results details')].find((d) => d.textContent.startsWith('Terms'))";
    let shows = format!("{fold}.querySelector('dd').checkVisibility()");
    assert_eq!(browser.value(&shows), false);
    browser.value(&format!("{fold}.querySelector('summary').focus()"));
    browser.press("Enter");
    assert_eq!(browser.value(&shows), true);
    browser.press("Enter");

    // On a phone nothing leaves the page sideways.
    browser.resize(400, 800);
    assert_eq!(browser.value(OVERFLOWING), json!([0, []]));
    // Figures are drawn for such a window: letters of 12 px keep 9.5, beside a scroll bar.
    let narrow = "[...document.querySelectorAll('figure .column svg')].filter((svg) => svg.checkVisibility())";
    assert_eq!(browser.value(&format!("{narrow}.length >= 5")), true);
    assert_eq!(
        browser.value(&format!(
            "{narrow}.every((svg) => svg.getBoundingClientRect().width / svg.viewBox.baseVal.width * 4 * 12.1 >= 9.5)"
        )),
        true
    );
    let wide = "[...document.querySelectorAll('figure .page')].some((box) => box.checkVisibility())";
    assert_eq!(browser.value(wide), false);

    // On paper there are no controls, and everything is there in light colors.
    browser.call("Emulation.setEmulatedMedia", &json!({ "media": "print" }));
    assert_eq!(browser.value("document.querySelector('#curves').checkVisibility()"), false);
    assert_eq!(browser.value("document.querySelector('.still').checkVisibility()"), true);
    assert_eq!(browser.value("getComputedStyle(document.body).backgroundColor"), "rgb(255, 255, 255)");
    assert_eq!(browser.value(&shows), true, "on paper nothing is folded");
    assert_eq!(browser.value(wide), true);

    assert_eq!(browser.complaints, Vec::<Value>::new());
}

#[test]
#[ignore = "needs Chromium: `make test-browser`"]
fn the_page_reads_without_a_program() {
    let mut browser = Browser::start();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("report.html");
    std::fs::write(&path, crate::report::sample_page()).unwrap();
    browser.resize(400, 800);
    browser.call("Emulation.setScriptExecutionDisabled", &json!({ "value": true }));
    browser.open(&path);
    browser.call("Emulation.setScriptExecutionDisabled", &json!({ "value": false }));
    assert_eq!(browser.value("document.querySelector('.still svg').checkVisibility()"), true);
    assert_eq!(browser.value("document.querySelector('#filters').checkVisibility()"), false);
    assert_eq!(browser.value("document.querySelectorAll('section').length >= 10"), true);
}
