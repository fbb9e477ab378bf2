//! The streams in batches: each is scheduled, looked at and counted for itself.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use gst::subclass::prelude::*;

use super::imp::{CAT, NvpInference};
use super::pool::User;
use super::task::{Channel, Task, Verdict, Work, lock};
use crate::elements::layout::Layout;
use crate::meta::{Batch, BatchContent, BatchItem, BatchMeta, BatchStream};
use crate::schedule::Skip;

/// What is known of one of them.
#[derive(Clone)]
struct Known {
    /// The facts that the rest was made from.
    stream: BatchStream,
    /// `None` when its frames cannot be read.
    layout: Option<Arc<Layout>>,
    segment: Option<gst::FormattedSegment<gst::ClockTime>>,
    channel: Arc<Channel>,
}

/// What came in with a buffer.
#[derive(Default)]
pub(super) struct Admitted {
    /// Its frames, in order.
    pub(super) tasks: Vec<Task>,
    /// Streams that ended in it: they are given up once its frames are on their way.
    pub(super) ended: Vec<Arc<Channel>>,
}

/// The streams by the number of their pad.
#[derive(Default)]
pub(super) struct Streams(BTreeMap<u32, Known>);

impl Streams {
    /// Forgets all streams; those with a number in the pool are given to `leave`.
    pub(super) fn close(self, leave: impl Fn(u64)) {
        for Known { channel, .. } in self.0.into_values() {
            end(&channel, &leave);
        }
    }
}

fn end(channel: &Channel, leave: impl Fn(u64)) {
    let dropped = channel.mailbox.close();
    channel.member.stats().flushed += dropped;
    let seat = channel.seat();
    if seat != 0 {
        leave(seat);
    }
}

/// How the frames of these caps lie in memory.
///
/// # Errors
/// Why they are not read.
pub(super) fn layout_of(caps: &gst::CapsRef) -> Result<Layout, String> {
    let Ok(info) = gst_video::VideoInfo::from_caps(caps) else {
        return Err(format!("These are no raw video caps: {caps}"));
    };
    if info.interlace_mode() != gst_video::VideoInterlaceMode::Progressive {
        return Err(format!(
            "Interlaced video ({:?}) is not read: a moving object would be torn in two. Put 'deinterlace' before this element",
            info.interlace_mode()
        ));
    }
    let format = info.format();
    Layout::new(info).ok_or_else(|| {
        format!(
            "Video of format {format} is not read. Put 'videoconvert' before this element or before the mux"
        )
    })
}

impl NvpInference {
    /// The streams of frames that flow through the element.
    pub(super) fn channels(&self) -> Vec<Arc<Channel>> {
        match &lock(&self.stream).streams {
            None => vec![self.own.clone()],
            Some(streams) => streams.0.values().map(|known| known.channel.clone()).collect(),
        }
    }

    /// Takes the frames out of a batch buffer, to be put back with [`BatchMeta::set`].
    pub(super) fn batch_of(&self, buffer: &mut gst::Buffer) -> Option<Batch> {
        BatchMeta::get(buffer)?;
        BatchMeta::take(buffer.make_mut())
    }

    /// Gives a number in the pool back without waiting for the frames that the model has.
    pub(super) fn retire(&self, seat: u64) {
        let pool = lock(&self.pool).clone();
        if let Some(pool) = pool {
            pool.retire(seat);
        }
    }

    /// Gives up streams that have ended.
    pub(super) fn end_streams(&self, ended: &[Arc<Channel>]) {
        ended.iter().for_each(|channel| end(channel, |seat| self.retire(seat)));
    }

    /// Decides which frames of a batch are inferred: one task for each frame, in order.
    pub(super) fn admit_batch(
        &self,
        buffer: &gst::BufferRef,
        arrived: u64,
    ) -> Result<Admitted, gst::FlowError> {
        let Some(batch) = BatchMeta::get(buffer) else {
            gst::element_imp_error!(
                self,
                gst::StreamError::Format,
                ("A buffer with batch caps carries no batch; 'nvpbatchmux' makes batches")
            );
            return Err(gst::FlowError::Error);
        };
        let Admitted { mut tasks, mut ended } = Admitted::default();
        for BatchItem { stream, content } in batch.to_owned().items {
            match content {
                BatchContent::Frame(frame) => {
                    let known = self.known(&stream, &mut ended);
                    tasks.push(self.admit_part(known, &frame, arrived));
                }
                BatchContent::Event(event) => self.see(&stream, &event, &mut ended),
                BatchContent::Released => self.forget(stream.pad(), &mut ended),
            }
        }
        Ok(Admitted { tasks, ended })
    }

    fn admit_part(&self, known: Known, frame: &gst::Buffer, arrived: u64) -> Task {
        let Known { layout, segment, channel, .. } = known;
        let Some(layout) = layout else {
            return Task { channel, work: Work::Settled(Verdict::Skipped(Skip::Format)) };
        };
        let time = segment.and_then(|segment| segment.to_running_time(frame.pts()));
        self.admit_frame(&channel, frame, layout, time, arrived)
    }

    fn see(&self, stream: &BatchStream, event: &gst::EventRef, ended: &mut Vec<Arc<Channel>>) {
        match event.type_() {
            gst::EventType::StreamStart => {
                self.member.flow.try_again();
                self.forget(stream.pad(), ended);
            }
            gst::EventType::Eos => self.forget(stream.pad(), ended),
            gst::EventType::FlushStop => {
                self.member.flow.try_again();
                let channel = self.find(stream.pad()).map(|known| known.channel);
                if let Some(channel) = channel {
                    channel.restart();
                    let dropped = self.flush_mailbox(&channel);
                    self.member.stats().flushed += dropped;
                }
            }
            _ => {}
        }
    }

    fn find(&self, pad: u32) -> Option<Known> {
        lock(&self.stream).streams.as_ref()?.0.get(&pad).cloned()
    }

    /// The stream of this pad has ended or another one begins.
    fn forget(&self, pad: u32, ended: &mut Vec<Arc<Channel>>) {
        let known = lock(&self.stream).streams.as_mut().and_then(|streams| streams.0.remove(&pad));
        ended.extend(known.map(|known| known.channel));
    }

    fn known(&self, stream: &BatchStream, ended: &mut Vec<Arc<Channel>>) -> Known {
        let known = self.find(stream.pad());
        match known {
            Some(known) if known.stream.is_same(stream) => known,
            Some(Known { stream: former, layout, channel, .. }) if former.id() == stream.id() => {
                let layout = if former.caps() == stream.caps() { layout } else { self.layout(stream) };
                self.learn(stream, layout, channel)
            }
            _ => {
                self.forget(stream.pad(), ended);
                self.learn(stream, self.layout(stream), self.open_channel(stream))
            }
        }
    }

    /// How the frames of a stream lie in memory. One that cannot be read is told about and passes.
    fn layout(&self, stream: &BatchStream) -> Option<Arc<Layout>> {
        let layout = stream.caps().ok_or_else(|| "It has no caps".to_owned()).and_then(layout_of);
        let told = layout.inspect_err(|why| {
            gst::element_imp_warning!(
                self,
                gst::StreamError::Format,
                ("Stream {} passes without detections: {why}", stream.name())
            );
        });
        told.ok().map(Arc::new)
    }

    fn learn(&self, stream: &BatchStream, layout: Option<Arc<Layout>>, channel: Arc<Channel>) -> Known {
        let segment = stream.segment().and_then(|segment| segment.downcast().ok());
        let known = Known { stream: stream.clone(), layout, segment, channel };
        if let Some(streams) = &mut lock(&self.stream).streams {
            streams.0.insert(stream.pad(), known.clone());
        }
        known
    }

    fn open_channel(&self, stream: &BatchStream) -> Arc<Channel> {
        gst::debug!(CAT, imp = self, "stream {} on pad {}", stream.name(), stream.pad());
        let channel = Arc::new(Channel::new(self.member.clone(), Some(stream.name().into())));
        channel.feed.begin(stream.id());
        let pool = lock(&self.pool).clone();
        if let Some(pool) = pool.filter(|_| self.is_async()) {
            channel.mailbox.open();
            let seat = pool.join(User::Mailbox(channel.clone()), 1);
            channel.seat.store(seat, Ordering::Relaxed);
        }
        channel
    }
}
