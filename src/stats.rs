//! Running statistics in constant memory.
