//! libmodsecurity, through its C interface.

use std::cell::RefCell;
use std::ffi::{CStr, CString, c_char, c_int, c_uchar, c_void};
use std::path::PathBuf;
use std::ptr;

use anyhow::bail;

use crate::requests::Request;
use crate::{Engine, Explained};

pub(crate) const NAME: &str = "libmodsecurity";

/// What its recommended configuration says of bodies.
const SETTINGS: &str = r#"
SecRuleEngine On
SecRequestBodyAccess On
SecResponseBodyAccess Off
SecAuditEngine Off
SecRequestBodyLimit 13107200
SecRule REQUEST_HEADERS:Content-Type "^(?:application(?:/soap\+|/)|text/)xml" "id:200000,phase:1,t:none,t:lowercase,pass,nolog,ctl:requestBodyProcessor=XML"
SecRule REQUEST_HEADERS:Content-Type "^application/json" "id:200001,phase:1,t:none,t:lowercase,pass,nolog,ctl:requestBodyProcessor=JSON"
"#;

#[repr(C)]
struct Intervention {
    status: c_int,
    pause: c_int,
    url: *mut c_char,
    log: *mut c_char,
    disruptive: c_int,
}

type LogCallback = extern "C" fn(*mut c_void, *const c_void);

#[link(name = "modsecurity")]
unsafe extern "C" {
    fn msc_init() -> *mut c_void;
    fn msc_set_log_cb(engine: *mut c_void, callback: LogCallback);
    fn msc_create_rules_set() -> *mut c_void;
    fn msc_rules_add(rules: *mut c_void, text: *const c_char, error: *mut *const c_char) -> c_int;
    fn msc_rules_add_file(rules: *mut c_void, file: *const c_char, error: *mut *const c_char) -> c_int;
    fn msc_new_transaction(engine: *mut c_void, rules: *mut c_void, data: *mut c_void) -> *mut c_void;
    fn msc_process_connection(
        t: *mut c_void,
        client: *const c_char,
        port: c_int,
        server: *const c_char,
        server_port: c_int,
    ) -> c_int;
    fn msc_process_uri(t: *mut c_void, uri: *const c_char, method: *const c_char, version: *const c_char) -> c_int;
    fn msc_add_n_request_header(
        t: *mut c_void,
        name: *const c_uchar,
        name_len: usize,
        value: *const c_uchar,
        value_len: usize,
    ) -> c_int;
    fn msc_process_request_headers(t: *mut c_void) -> c_int;
    fn msc_append_request_body(t: *mut c_void, body: *const c_uchar, len: usize) -> c_int;
    fn msc_process_request_body(t: *mut c_void) -> c_int;
    fn msc_process_logging(t: *mut c_void) -> c_int;
    fn msc_intervention(t: *mut c_void, intervention: *mut Intervention) -> c_int;
    fn msc_transaction_cleanup(t: *mut c_void);
}

thread_local! {
    /// The rules that have matched, where that is asked.
    static MATCHED: RefCell<Option<Vec<u64>>> = const { RefCell::new(None) };
}

/// Takes the rule's id out of a line of its log, and no more.
extern "C" fn keep_id(_data: *mut c_void, line: *const c_void) {
    if line.is_null() || MATCHED.with_borrow(Option::is_none) {
        return;
    }
    // SAFETY: not null, so the library has put a text that ends in NUL there: it logs texts unless asked otherwise.
    let line = unsafe { CStr::from_ptr(line.cast()) }.to_string_lossy();
    let id =
        line.split_once("[id \"").and_then(|(_, rest)| rest.split_once('"')).and_then(|(id, _)| id.parse::<u64>().ok());
    MATCHED.with_borrow_mut(|matched| matched.get_or_insert_default().extend(id));
}

/// The library with rules, which live as long as the process.
pub(crate) struct ModSecurity {
    engine: *mut c_void,
    rules: *mut c_void,
}

impl ModSecurity {
    pub(crate) fn load(files: &[PathBuf]) -> anyhow::Result<Self> {
        let settings = CString::new(SETTINGS)?;
        // SAFETY: both return an object that is the caller's, which is never freed here; the callback reads what
        // it is given and keeps nothing of it.
        let (engine, rules) = unsafe {
            let engine = msc_init();
            msc_set_log_cb(engine, keep_id);
            (engine, msc_create_rules_set())
        };
        let mut error: *const c_char = ptr::null();
        // SAFETY: `rules` is the object from above, the text ends in NUL, and `error` is written to or left alone.
        if unsafe { msc_rules_add(rules, settings.as_ptr(), &raw mut error) } < 0 {
            bail!("libmodsecurity refuses its settings: {}", said(error));
        }
        for file in files {
            let path = CString::new(file.display().to_string())?;
            // SAFETY: as above.
            if unsafe { msc_rules_add_file(rules, path.as_ptr(), &raw mut error) } < 0 {
                bail!("libmodsecurity refuses {}: {}", file.display(), said(error));
            }
        }
        Ok(Self { engine, rules })
    }
}

fn said(error: *const c_char) -> String {
    if error.is_null() {
        return "no reason".to_owned();
    }
    // SAFETY: not null, so the library has put a text that ends in NUL there.
    unsafe { CStr::from_ptr(error) }.to_string_lossy().into_owned()
}

impl Engine for ModSecurity {
    fn name(&self) -> &'static str {
        NAME
    }

    fn explain(&mut self, request: &Request) -> Explained {
        MATCHED.set(Some(Vec::new()));
        let status = self.inspect(request);
        Explained { status, rules: MATCHED.take().unwrap_or_default(), limit: None }
    }

    fn inspect(&mut self, request: &Request) -> Option<u16> {
        let [client, server] = [c"192.0.2.1", c"127.0.0.1"];
        let text = |octets: &[u8]| CString::new(octets).ok();
        let version = request.protocol.strip_prefix(b"HTTP/").unwrap_or(&request.protocol);
        let (target, method, version) = (text(&request.target)?, text(&request.method)?, text(version)?);
        // SAFETY: the transaction is made, used and freed here; every text ends in NUL or comes with its length, and the
        // library copies what it keeps.
        unsafe {
            let t = msc_new_transaction(self.engine, self.rules, ptr::null_mut());
            msc_process_connection(t, client.as_ptr(), 50_000, server.as_ptr(), 80);
            msc_process_uri(t, target.as_ptr(), method.as_ptr(), version.as_ptr());
            for (name, value) in &request.headers {
                msc_add_n_request_header(t, name.as_ptr(), name.len(), value.as_ptr(), value.len());
            }
            msc_process_request_headers(t);
            if !request.body.is_empty() {
                msc_append_request_body(t, request.body.as_ptr(), request.body.len());
            }
            msc_process_request_body(t);
            let mut intervention =
                Intervention { status: 200, pause: 0, url: ptr::null_mut(), log: ptr::null_mut(), disruptive: 0 };
            let refused = msc_intervention(t, &raw mut intervention) != 0;
            msc_process_logging(t);
            msc_transaction_cleanup(t);
            // The texts of an intervention are left: a refused request leaks some octets, in a bench.
            refused.then(|| u16::try_from(intervention.status).unwrap_or(0))
        }
    }
}
