//! `nvpbatchmux` and `nvpbatchdemux`: what goes in on a pad comes out on its pad, whatever happens to the others.

mod churn;
mod example;
mod flow;
mod identity;
mod rig;
mod streams;
mod trouble;
mod truth;
