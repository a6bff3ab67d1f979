//! A real browser: headless Chromium, driven over WebDriver (W3C).

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::http::exchange;
use crate::process::{Running, eventually};
use crate::world::free_address;

/// The key of an element's id in WebDriver's JSON (WebDriver §12.1).
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// How long the driver may take to start, and a page to become what a test waits for.
const PATIENCE: Duration = Duration::from_secs(30);

/// One browser window with an empty profile.
pub struct Browser {
    driver: SocketAddr,
    session: String,
    _profile: TempDir,
    _running: Running,
}

impl Browser {
    /// Opens a browser. Without JavaScript unless a test needs it: the gateway's pages must not.
    ///
    /// # Errors
    /// `chromedriver` or `chromium` is missing or does not start.
    pub fn open(javascript: bool) -> io::Result<Self> {
        let (driver, profile) = (free_address()?, tempfile::tempdir()?);
        let mut command = Command::new("chromedriver");
        command.arg(format!("--port={}", driver.port()));
        let running = Running::start(&mut command, &profile.path().join("chromedriver.log"))?;
        let status = || call(driver, "GET", "/status", &Value::Null).ok();
        eventually(PATIENCE, "chromedriver", status)?;

        let mut arguments = vec![
            "--headless=new".to_owned(),
            "--no-sandbox".to_owned(),
            "--disable-gpu".to_owned(),
            "--disable-dev-shm-usage".to_owned(),
            "--disable-quic".to_owned(),
            "--no-first-run".to_owned(),
            "--disable-background-networking".to_owned(),
            "--disable-component-update".to_owned(),
            "--disable-sync".to_owned(),
            format!("--user-data-dir={}", profile.path().join("profile").display()),
        ];
        if !javascript {
            arguments.push("--blink-settings=scriptEnabled=false".to_owned());
        }
        let options = json!({ "args": arguments });
        let capabilities = json!({ "goog:chromeOptions": options, "goog:loggingPrefs": { "browser": "ALL" } });
        let opened = call(driver, "POST", "/session", &json!({ "capabilities": { "alwaysMatch": capabilities } }))?;
        let session = opened.get("sessionId").and_then(Value::as_str).unwrap_or_default().to_owned();
        Ok(Self { driver, session, _profile: profile, _running: running })
    }

    /// Opens a page, as if its address were typed.
    ///
    /// # Errors
    /// It cannot be loaded.
    pub fn go(&self, url: &str) -> io::Result<()> {
        self.ask("POST", "/url", &json!({ "url": url })).map(drop)
    }

    /// The address of the page.
    ///
    /// # Errors
    /// The browser does not answer.
    pub fn url(&self) -> io::Result<String> {
        Ok(self.ask("GET", "/url", &Value::Null)?.as_str().unwrap_or_default().to_owned())
    }

    /// The text that the page shows.
    ///
    /// # Errors
    /// There is no page.
    pub fn text(&self) -> io::Result<String> {
        // A page that gives way to the next one takes its elements with it.
        eventually(PATIENCE, "the page's text", || {
            let body = self.element("body").ok()?;
            let text = self.ask("GET", &format!("/element/{body}/text"), &Value::Null).ok()?;
            text.as_str().map(str::to_owned)
        })
    }

    /// The text of what this CSS selector finds.
    ///
    /// # Errors
    /// There is none.
    pub fn text_of(&self, selector: &str) -> io::Result<String> {
        let found = self.element(selector)?;
        let text = self.ask("GET", &format!("/element/{found}/text"), &Value::Null)?;
        Ok(text.as_str().unwrap_or_default().to_owned())
    }

    /// Waits until the page shows this text.
    ///
    /// # Errors
    /// `TimedOut` if it never does, with what it shows.
    pub fn shows(&self, text: &str) -> io::Result<()> {
        let shown = eventually(PATIENCE, text, || self.text().ok().filter(|shown| shown.contains(text)));
        shown
            .map(drop)
            .map_err(|error| io::Error::other(format!("{error}; it shows\n{}", self.text().unwrap_or_default())))
    }

    /// Waits until the page's address ends so.
    ///
    /// # Errors
    /// `TimedOut` if it never does, with where it is.
    pub fn arrive(&self, end: &str) -> io::Result<()> {
        let arrived = eventually(PATIENCE, end, || self.url().ok().filter(|url| url.ends_with(end)));
        arrived.map(drop).map_err(|error| {
            io::Error::other(format!("{error}; at {:?}\n{}", self.url().ok(), self.text().unwrap_or_default()))
        })
    }

    /// Empties the field that this CSS selector finds, then types into it.
    ///
    /// # Errors
    /// There is none.
    pub fn fill(&self, selector: &str, text: &str) -> io::Result<()> {
        let field = self.element(selector)?;
        self.ask("POST", &format!("/element/{field}/clear"), &json!({}))?;
        self.ask("POST", &format!("/element/{field}/value"), &json!({ "text": text })).map(drop)
    }

    /// Clicks on what this CSS selector finds.
    ///
    /// # Errors
    /// There is none, or something covers it.
    pub fn click(&self, selector: &str) -> io::Result<()> {
        let target = self.element(selector)?;
        self.ask("POST", &format!("/element/{target}/click"), &json!({})).map(drop)
    }

    /// What a script of the page would see.
    ///
    /// # Errors
    /// The script fails, or the browser runs none.
    pub fn evaluate(&self, script: &str) -> io::Result<Value> {
        self.ask("POST", "/execute/sync", &json!({ "script": script, "args": [] }))
    }

    /// What a script gives to its last argument, a function.
    ///
    /// # Errors
    /// The script fails or takes too long, or the browser runs none.
    pub fn evaluate_async(&self, script: &str) -> io::Result<Value> {
        self.ask("POST", "/execute/async", &json!({ "script": script, "args": [] }))
    }

    /// Has pages see a person who likes them dark, or light, and without movement: what is looked at is not on its way to another look.
    ///
    /// # Errors
    /// The browser does not answer.
    pub fn prefer_scheme(&self, scheme: &str) -> io::Result<()> {
        let features = json!([
            { "name": "prefers-color-scheme", "value": scheme },
            { "name": "prefers-reduced-motion", "value": "reduce" },
        ]);
        self.devtools("Emulation.setEmulatedMedia", &json!({ "features": features })).map(drop)
    }

    /// Has pages see a screen of this size, in CSS pixels: narrower than a window can be made, too.
    ///
    /// # Errors
    /// The browser does not answer.
    pub fn emulate_screen(&self, width: u32, height: u32) -> io::Result<()> {
        let screen = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600 });
        self.devtools("Emulation.setDeviceMetricsOverride", &screen).map(drop)
    }

    /// Presses the tabulator key, and says what has the focus then: its element and what it is called.
    ///
    /// # Errors
    /// The browser does not answer.
    pub fn tab(&self) -> io::Result<String> {
        for kind in ["keyDown", "keyUp"] {
            let key = json!({ "type": kind, "key": "Tab", "code": "Tab", "windowsVirtualKeyCode": 9 });
            self.devtools("Input.dispatchKeyEvent", &key)?;
        }
        let focused = self.evaluate(
            "const at = document.activeElement; return `${at.localName} ${at.name || at.getAttribute('href') || at.textContent.trim()}`",
        )?;
        Ok(focused.as_str().unwrap_or_default().to_owned())
    }

    fn devtools(&self, command: &str, parameters: &Value) -> io::Result<Value> {
        self.ask("POST", "/goog/cdp/execute", &json!({ "cmd": command, "params": parameters }))
    }

    /// Writes what the whole page looks like to a PNG file, below the screen's end, too.
    ///
    /// # Errors
    /// The browser does not answer, or the file cannot be written.
    pub fn picture(&self, file: &Path) -> io::Result<()> {
        let shot = self.devtools("Page.captureScreenshot", &json!({ "captureBeyondViewport": true }))?;
        let octets = STANDARD.decode(shot.get("data").and_then(Value::as_str).unwrap_or_default());
        std::fs::write(file, octets.map_err(io::Error::other)?)
    }

    /// Plugs in an authenticator that keeps passkeys and verifies its person (WebAuthn §11.2), and says its id.
    ///
    /// # Errors
    /// The browser has none.
    pub fn plug_in_authenticator(&self) -> io::Result<String> {
        let authenticator = json!({
            "protocol": "ctap2",
            "transport": "internal",
            "hasResidentKey": true,
            "hasUserVerification": true,
            "isUserVerified": true,
            "isUserConsenting": true,
        });
        let id = self.ask("POST", "/webauthn/authenticator", &authenticator)?;
        Ok(id.as_str().unwrap_or_default().to_owned())
    }

    /// Whether the authenticator verifies its person from now on.
    ///
    /// # Errors
    /// There is no such authenticator.
    pub fn verify_person(&self, authenticator: &str, verified: bool) -> io::Result<()> {
        let body = json!({ "isUserVerified": verified });
        self.ask("POST", &format!("/webauthn/authenticator/{authenticator}/uv"), &body).map(drop)
    }

    /// The credentials that the authenticator keeps, as WebDriver tells them.
    ///
    /// # Errors
    /// There is no such authenticator.
    pub fn credentials(&self, authenticator: &str) -> io::Result<Vec<Value>> {
        let kept = self.ask("GET", &format!("/webauthn/authenticator/{authenticator}/credentials"), &Value::Null)?;
        Ok(kept.as_array().cloned().unwrap_or_default())
    }

    /// The cookies of the page, with those that scripts cannot see.
    ///
    /// # Errors
    /// The browser does not answer.
    pub fn cookies(&self) -> io::Result<Vec<Value>> {
        Ok(self.ask("GET", "/cookie", &Value::Null)?.as_array().cloned().unwrap_or_default())
    }

    /// What the browser complains about: errors of pages, violations of their Content-Security-Policy.
    ///
    /// # Errors
    /// The browser does not answer.
    pub fn complaints(&self) -> io::Result<Vec<Value>> {
        let log = self.ask("POST", "/se/log", &json!({ "type": "browser" }))?;
        Ok(log.as_array().cloned().unwrap_or_default())
    }

    /// Gives the window another size, in CSS pixels.
    ///
    /// # Errors
    /// The browser does not answer.
    pub fn resize(&self, width: u32, height: u32) -> io::Result<()> {
        self.ask("POST", "/window/rect", &json!({ "width": width, "height": height })).map(drop)
    }

    /// Writes what the page looks like to a PNG file.
    ///
    /// # Errors
    /// The browser does not answer, or the file cannot be written.
    pub fn screenshot(&self, file: &Path) -> io::Result<()> {
        let shot = self.ask("GET", "/screenshot", &Value::Null)?;
        let octets = STANDARD.decode(shot.as_str().unwrap_or_default()).map_err(io::Error::other)?;
        std::fs::write(file, octets)
    }

    /// Waits for what this CSS selector finds.
    ///
    /// # Errors
    /// There is none.
    pub fn element_of(&self, selector: &str) -> io::Result<()> {
        self.element(selector).map(drop)
    }

    fn element(&self, selector: &str) -> io::Result<String> {
        let query = json!({ "using": "css selector", "value": selector });
        let found = eventually(PATIENCE, selector, || self.ask("POST", "/element", &query).ok())?;
        Ok(found.get(ELEMENT).and_then(Value::as_str).unwrap_or_default().to_owned())
    }

    fn ask(&self, method: &str, path: &str, body: &Value) -> io::Result<Value> {
        call(self.driver, method, &format!("/session/{}{path}", self.session), body)
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // The driver ends its browser; the driver itself is then killed.
        let _ = call(self.driver, "DELETE", &format!("/session/{}", self.session), &Value::Null);
    }
}

/// One WebDriver command; its `value`, or what went wrong.
fn call(driver: SocketAddr, method: &str, path: &str, body: &Value) -> io::Result<Value> {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let head = format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n");
    let octets = format!("{head}Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    let answer = exchange(driver, method, octets.as_bytes())?;
    match answer.status {
        200 => Ok(answer.json().get("value").cloned().unwrap_or_default()),
        _ => Err(io::Error::other(format!("{method} {path}: {}", answer.text()))),
    }
}
