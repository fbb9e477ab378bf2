//! `examples/streams.rs` does what it says.

#[allow(dead_code, reason = "the test calls what the program's main function does")]
#[path = "../../examples/streams.rs"]
mod streams;

#[test]
fn cameras_come_go_and_fail() {
    crate::rig::init();
    let stats = streams::play(6).unwrap();
    let of = |name| stats.get::<u64>(name).unwrap();
    assert!(of("frames") > 20, "{stats}");
    assert_eq!((of("dropped-not-linked"), of("dropped-error"), of("dropped-eos")), (0, 0, 0), "{stats}");
}
