//! Address management: pure, without a clock, a lock or a system call.
//!
//! [`Allocator`] hands out the addresses of one subnet; [`choose_subnet`] finds a subnet that nobody uses.

mod allocator;
mod subnets;

pub(crate) use allocator::{Allocator, Taken};
pub(crate) use subnets::{choose_subnet, default_pools, overlap, unique_local_subnets};
