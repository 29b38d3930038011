//! Containers and images for a computer without a docker CLI: docker's verbs and flags for the common cases.

mod archive;
pub(crate) mod args;
mod create;
mod credentials;
mod detach;
mod engine;
mod exec;
mod files;
mod format;
mod images;
mod inspect;
mod lists;
mod login;
mod mounts;
mod options;
mod run;
mod stats;
mod streams;
mod template;
mod times;
mod verbs;
mod volumes;

pub(crate) use credentials::forget_own_helper;
pub(crate) use engine::Engine;
pub(crate) use exec::exec;
pub(crate) use files::cp;
pub(crate) use images::{pull, push, rmi};
pub(crate) use inspect::inspect;
pub(crate) use lists::{images, ps};
pub(crate) use login::{login, logout};
pub(crate) use run::run;
pub(crate) use stats::stats;
pub(crate) use verbs::{logs, rm, start, stop};
pub(crate) use volumes::volume;
