//! Warnings that arise while rows are computed. The host, which is Python, shows them.

use std::sync::OnceLock;

use crate::Result;

type Host = Box<dyn Fn(&str) -> Result<()> + Send + Sync>;

static HOST: OnceLock<Host> = OnceLock::new();

/// Sets the function that shows warnings. Only the first call has an effect. Without one, warnings are not shown.
pub fn set_warning_host(host: Host) {
    let _ = HOST.set(host);
}

/// Shows a warning. It is an error if the host turns warnings into errors.
pub fn warn(text: &str) -> Result<()> {
    HOST.get().map_or(Ok(()), |host| host(text))
}
