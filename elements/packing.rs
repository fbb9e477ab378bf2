//! Frames for those who do not read `GstVideoMeta`: in the layout that their caps alone describe.

/// True when a frame is in that layout.
pub(super) fn is_packed(buffer: &gst::BufferRef, info: &gst_video::VideoInfo) -> bool {
    buffer.meta::<gst_video::VideoMeta>().is_none_or(|meta| {
        let planes = meta.n_planes() as usize;
        meta.offset()[..planes] == info.offset()[..planes]
            && meta.stride()[..planes] == info.stride()[..planes]
    })
}

/// A copy of a frame in that layout, with everything that is attached to it; `None` when its planes cannot be read.
pub(super) fn packed(buffer: &gst::BufferRef, info: &gst_video::VideoInfo) -> Option<gst::Buffer> {
    let mut packed = gst::Buffer::with_size(info.size()).ok()?;
    {
        let packed = packed.get_mut()?;
        let from = gst_video::VideoFrameRef::from_buffer_ref_readable(buffer, info).ok()?;
        let mut to = gst_video::VideoFrameRef::from_buffer_ref_writable(packed, info).ok()?;
        from.copy(&mut to).ok()?;
    }
    let writable = packed.get_mut()?;
    let kept = gst::BufferCopyFlags::FLAGS | gst::BufferCopyFlags::TIMESTAMPS | gst::BufferCopyFlags::META;
    buffer.copy_into(writable, kept, ..).ok()?;
    // The copied layout description is the old one; the caps describe the new one.
    while let Some(meta) = writable.meta_mut::<gst_video::VideoMeta>() {
        meta.remove().ok()?;
    }
    Some(packed)
}
