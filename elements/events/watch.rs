//! A thread that looks after a rule file.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime};

/// How often the file is looked at. One that has just changed is read at the next look, when nobody writes any more.
const PERIOD: Duration = Duration::from_millis(250);

/// What tells one content of a file from another without reading it.
type Mark = Option<(SystemTime, u64)>;

/// Looks after a file until it is dropped.
#[derive(Debug)]
pub(super) struct Watch {
    stop: Arc<(Mutex<bool>, Condvar)>,
    thread: Option<JoinHandle<()>>,
}

impl Watch {
    /// Calls `changed` on another thread whenever the file has changed and lies still again.
    ///
    /// # Errors
    /// When there is no thread to be had.
    pub(super) fn start(path: PathBuf, changed: impl Fn() + Send + 'static) -> std::io::Result<Self> {
        let stop = Arc::new((Mutex::new(false), Condvar::new()));
        let stopped = stop.clone();
        let mut read = mark(&path);
        let watch = move || {
            let mut last = read;
            while !pause(&stopped) {
                let now = mark(&path);
                // While a file is replaced there may be none for a moment.
                if now.is_some() && now == last && now != read {
                    read = now;
                    changed();
                }
                last = now;
            }
        };
        let thread = std::thread::Builder::new().name("nvpevents-watch".into()).spawn(watch)?;
        Ok(Self { stop, thread: Some(thread) })
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        *self.stop.0.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.stop.1.notify_all();
        if let Some(thread) = self.thread.take() {
            // It ends whatever `changed` did.
            let _ = thread.join();
        }
    }
}

/// Waits for the next look; true when there is none.
fn pause((stop, told): &(Mutex<bool>, Condvar)) -> bool {
    let stop = stop.lock().unwrap_or_else(PoisonError::into_inner);
    let waited = told.wait_timeout_while(stop, PERIOD, |stop| !*stop);
    *waited.unwrap_or_else(PoisonError::into_inner).0
}

fn mark(path: &Path) -> Mark {
    let about = std::fs::metadata(path).ok()?;
    Some((about.modified().ok()?, about.len()))
}
