//! A thread that looks after a rule file.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime};

/// How often the file is looked at. One that has just changed is read at the next look, when nobody writes any more.
const PERIOD: Duration = Duration::from_millis(250);

/// What tells one content of a file from another without reading it.
type Mark = Option<(SystemTime, u64)>;

/// A file as it was before it was read, so that no change after that is missed.
#[derive(Debug)]
pub(super) struct Watched {
    path: PathBuf,
    read: Mark,
}

impl Watched {
    /// The file as it is now.
    pub(super) fn new(path: &Path) -> Self {
        Self { path: path.to_owned(), read: mark(path) }
    }
}

/// Looks after a file until it is dropped.
#[derive(Debug)]
pub(super) struct Watch {
    stop: Arc<(Mutex<bool>, Condvar)>,
    thread: Option<JoinHandle<()>>,
}

impl Watch {
    /// Calls `changed` on another thread whenever the file has changed and lies still again. It may drop the watch.
    ///
    /// # Errors
    /// When there is no thread to be had.
    pub(super) fn start(file: Watched, changed: impl Fn() + Send + 'static) -> std::io::Result<Self> {
        let stop = Arc::new((Mutex::new(false), Condvar::new()));
        let stopped = stop.clone();
        let Watched { path, mut read } = file;
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
        let Some(thread) = self.thread.take() else { return };
        // Who acts on what `changed` says may do so on this very thread, which then ends by itself.
        if thread.thread().id() != std::thread::current().id() {
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

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;

    /// A file that changes after it was read, and before anybody looks after it.
    #[test]
    fn no_change_is_missed() {
        let file = std::env::temp_dir().join(format!("nvpevents-watch-{}", std::process::id()));
        std::fs::write(&file, "before").unwrap();
        let watched = Watched::new(&file);
        std::fs::write(&file, "afterwards").unwrap();
        let (tell, told) = channel();
        let watch = Watch::start(watched, move || tell.send(()).unwrap()).unwrap();
        told.recv_timeout(Duration::from_secs(20)).unwrap();
        drop(watch);
        assert!(told.try_recv().is_err(), "once");
        std::fs::remove_file(&file).unwrap();
    }
}
