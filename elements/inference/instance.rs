//! Models that elements of the process share, by name.
//!
//! The first element that names an instance loads it, the others wait for that, and the last one that lets go of it
//! unloads it.

use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, Weak};
use std::time::{Duration, Instant};

use super::pool::Pool;
use super::settings::Settings;
use super::task::lock;
use super::trouble::Trouble;

struct Entry {
    settings: Arc<Settings>,
    /// The element that loads or has loaded it, for messages.
    loader: String,
    /// `None` while it is being loaded.
    pool: Option<Weak<Pool>>,
}

static INSTANCES: Mutex<BTreeMap<Arc<str>, Entry>> = Mutex::new(BTreeMap::new());
static CHANGED: Condvar = Condvar::new();

/// Takes a name back when loading ends without a model, be it by a panic.
struct Claim {
    name: Arc<str>,
    loaded: bool,
}

impl Drop for Claim {
    fn drop(&mut self) {
        if !self.loaded {
            let entry = lock(&INSTANCES).remove(&self.name);
            drop(entry);
        }
        CHANGED.notify_all();
    }
}

/// The instance of this name, loaded by `load` unless it is there already.
///
/// # Errors
/// What `load` says, that the settings are not those it is loaded with, or that it is not loaded within
/// the `startup-timeout`.
pub(super) fn join(
    name: &Arc<str>,
    settings: &Settings,
    element: &str,
    load: impl FnOnce() -> Result<Pool, Trouble>,
) -> Result<Arc<Pool>, Trouble> {
    if let Some(pool) = find(name, settings, element)? {
        return Ok(pool);
    }
    let mut claim = Claim { name: name.clone(), loaded: false };
    let pool = Arc::new(load()?);
    if let Some(entry) = lock(&INSTANCES).get_mut(name) {
        entry.pool = Some(Arc::downgrade(&pool));
        claim.loaded = true;
    }
    Ok(pool)
}

/// The instance of this name, once it is loaded; `None` when it is the caller's turn to load it.
fn find(name: &Arc<str>, settings: &Settings, element: &str) -> Result<Option<Arc<Pool>>, Trouble> {
    let patience = Duration::from_millis(settings.sharing.startup_timeout.into());
    let begun = Instant::now();
    let mut instances = lock(&INSTANCES);
    while let Some(entry) = instances.get(name) {
        match &entry.pool {
            Some(pool) => {
                let Some(pool) = pool.upgrade() else { break };
                let loader = entry.loader.clone();
                // The pool may be the last reference to it: it must not end under the lock.
                drop(instances);
                return fits(name, settings, &pool.settings(), &loader).map(|()| Some(pool));
            }
            None => fits(name, settings, &entry.settings, &entry.loader)?,
        }
        let waited = begun.elapsed();
        if !patience.is_zero() && waited >= patience {
            return Err(Trouble::new(
                &gst::LibraryError::Init,
                format!(
                    "Model instance \"{name}\" is still being loaded by {} after {} ms; startup-timeout says how long \
                     to wait",
                    entry.loader,
                    waited.as_millis()
                ),
            ));
        }
        let left = if patience.is_zero() { Duration::from_secs(3600) } else { patience - waited };
        let waited = CHANGED.wait_timeout(instances, left);
        instances = waited.unwrap_or_else(std::sync::PoisonError::into_inner).0;
    }
    let entry = Entry { settings: Arc::new(settings.clone()), loader: element.to_owned(), pool: None };
    instances.retain(|_, entry| entry.pool.as_ref().is_none_or(|pool| pool.strong_count() > 0));
    instances.insert(name.clone(), entry);
    Ok(None)
}

fn fits(name: &str, settings: &Settings, loaded: &Settings, loader: &str) -> Result<(), Trouble> {
    let differences = settings.differences(loaded);
    if differences.is_empty() {
        return Ok(());
    }
    Err(Trouble::new(
        &gst::LibraryError::Settings,
        format!(
            "Model instance \"{name}\" was loaded by {loader} with other settings: {}. Set the same on every element \
             that shares it, or choose another model-instance",
            differences.join(", ")
        ),
    ))
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;

    fn failing(text: &str) -> Result<Pool, Trouble> {
        Err(Trouble::new(&gst::LibraryError::Init, text.to_owned()))
    }

    fn settings(startup_timeout: u32) -> Settings {
        let mut settings = Settings::default();
        settings.sharing.startup_timeout = startup_timeout;
        settings
    }

    #[test]
    fn others_wait_for_who_loads_and_then_try_themselves() {
        gst::init().unwrap();
        let name: Arc<str> = "waits".into();
        let (begun, has_begun) = channel();
        let (end, may_end) = channel::<()>();
        std::thread::scope(|scope| {
            let shared = name.clone();
            let loading = scope.spawn(move || {
                join(&shared, &settings(0), "first", || {
                    begun.send(()).unwrap();
                    may_end.recv().unwrap();
                    failing("the first fails")
                })
            });
            has_begun.recv().unwrap();
            let error = join(&name, &settings(20), "second", || failing("not its turn")).err().unwrap();
            let error = error.to_string();
            assert!(error.contains("\"waits\" is still being loaded by first after"), "{error}");
            let mut other = settings(20);
            other.load.threads = 3;
            let error = join(&name, &other, "third", || failing("not its turn")).err().unwrap();
            assert!(error.to_string().contains("threads is 3 here and 0 there"), "{error}");
            let patient = scope.spawn(|| join(&name, &settings(0), "fourth", || failing("its own turn")));
            end.send(()).unwrap();
            assert_eq!(loading.join().unwrap().err().unwrap().to_string(), "the first fails");
            assert_eq!(patient.join().unwrap().err().unwrap().to_string(), "its own turn");
        });
        assert!(!lock(&INSTANCES).contains_key(&name));
    }

    #[test]
    fn a_panic_while_loading_leaves_the_name_free() {
        gst::init().unwrap();
        let name: Arc<str> = "panics".into();
        let load = || join(&name, &settings(0), "first", || panic!("a defect"));
        assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(load)).is_err());
        assert!(join(&name, &settings(1), "second", || failing("its turn")).is_err());
    }
}
