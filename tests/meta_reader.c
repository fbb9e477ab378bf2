/* A filter that says in a message what it reads from a buffer through nvperception.h. */
#include <gst/base/gstbasetransform.h>

#include "nvperception.h"

#define TEXT(t) (int) (t).len, (t).data ? (t).data : ""

typedef GstBaseTransform MetaReader;
typedef GstBaseTransformClass MetaReaderClass;

G_DEFINE_TYPE (MetaReader, meta_reader, GST_TYPE_BASE_TRANSFORM)

static void
say_batch (GString * said, const NvpBatch * batch)
{
  g_string_append (said, " batch:");
  for (gsize i = 0; i < batch->count; i++) {
    const NvpBatchItem *item = &batch->items[i];
    const NvpStream *s = item->stream;

    g_string_append_printf (said, " %u %.*s %.*s %s %s ", s->pad, TEXT (s->name), TEXT (s->id),
        s->caps ? gst_structure_get_name (gst_caps_get_structure (s->caps, 0)) : "-",
        s->segment ? gst_format_get_name (s->segment->format) : "-");
    if (item->kind == NVP_BATCH_FRAME)
      g_string_append_printf (said, "frame %" G_GUINT64_FORMAT ",", GST_BUFFER_PTS (item->buffer));
    else if (item->kind == NVP_BATCH_EVENT)
      g_string_append_printf (said, "%s,", GST_EVENT_TYPE_NAME (item->event));
    else
      g_string_append (said, "released,");
  }
  g_string_append_c (said, ';');
}

static GstFlowReturn
meta_reader_transform_ip (GstBaseTransform * reader, GstBuffer * buffer)
{
  GString *said = g_string_new (NULL);
  gpointer state = NULL;
  const NvpDetections *detections;
  const NvpTracks *tracks = nvp_buffer_get_tracks (buffer);
  const NvpView *view = nvp_buffer_get_view (buffer);
  const NvpTruth *truth = nvp_buffer_get_truth (buffer);
  const NvpProvenance *stage = nvp_buffer_get_provenance (buffer);
  const NvpBatch *batch = nvp_buffer_get_batch (buffer);

  while ((detections = nvp_buffer_iterate_detections (buffer, &state))) {
    g_string_append_printf (said, "%.*s task %u %" G_GUINT64_FORMAT " before %" G_GINT64_FORMAT ":",
        TEXT (detections->model), detections->task, detections->age, (gint64) detections->source_pts);
    for (gsize i = 0; i < detections->count; i++) {
      const NvpDetection *d = &detections->items[i];
      NvpText label = nvp_labels_get (&detections->labels, d->class_id);

      g_string_append_printf (said, " %.*s %.2f %.2f,%.2f,%.2f,%.2f", TEXT (label), d->confidence,
          d->box.x_min, d->box.y_min, d->box.x_max, d->box.y_max);
      if (i < detections->parent_count) {
        const NvpParent *p = &detections->parents[i];
        const NvpKeypoint *k = &detections->keypoints[i * detections->keypoints_each];
        const NvpMask *m = &detections->masks[i];
        const gfloat *e = &detections->embeddings[i * detections->embedding_length];

        if (p->model < 0)
          g_string_append_printf (said, " of %" G_GUINT64_FORMAT "/%" G_GUINT64_FORMAT " -", p->track, p->age);
        else
          g_string_append_printf (said, " of 0/0 %.*s %d",
              TEXT (nvp_labels_get (&detections->parent_models, p->model)), p->item);
        g_string_append_printf (said, " %.1f,%.1f,%.2f %.1f %ux%u of %.1f,%.1f", k->x, k->y, k->confidence,
            detections->quads[i].corners[0][0], detections->mask_cells[m->offset], m->width, e[0], e[1]);
      }
    }
    g_string_append (said, "; ");
  }
  for (gsize i = 0; tracks && i < tracks->count; i++) {
    const NvpTrack *t = &tracks->items[i];
    NvpText label = nvp_labels_get (&tracks->labels, t->label);

    g_string_append_printf (said, "%.*s: %" G_GUINT64_FORMAT " %.*s state %u age %" G_GUINT64_FORMAT
        " at %.2f,%.2f,%.2f,%.2f moving %.2f,%.2f", TEXT (tracks->run), t->id, TEXT (label), t->state,
        t->age, t->box.x_min, t->box.y_min, t->box.x_max, t->box.y_max, t->velocity[0], t->velocity[1]);
    g_string_append_printf (said, " continuity %u stationary %u path %.2f by %.2f mean %.0f to %.0f on %.1f max %.2f; ",
        t->continuity, t->motion.stationary, t->motion.path, t->motion.displacement[1], t->motion.mean_speed,
        t->motion.direction, t->motion.ground[0], t->motion.ground_max_speed);
  }
  for (gsize i = 0; tracks && tracks->ended && i < tracks->ended_count; i++)
    g_string_append_printf (said, "ended %" G_GUINT64_FORMAT " for %u; ", tracks->ended[i].track.id,
        tracks->ended[i].reason);
  for (gsize i = 0; tracks && tracks->past && i < tracks->past_count; i++) {
    const NvpPast *p = &tracks->past[i];

    g_string_append_printf (said, "past %" G_GUINT64_FORMAT " %" G_GUINT64_FORMAT " ago at %.2f by %.2f kind %u; ",
        p->id, p->before, p->box.x_min, p->confidence, p->kind);
  }
  for (gsize i = 0; tracks && i < tracks->segment_count; i++) {
    const NvpTrackSegment *s = &tracks->segments[i];
    const NvpTrackPoint *p = &tracks->points[s->first];

    g_string_append_printf (said, "segment of %" G_GUINT64_FORMAT " in %" G_GUINT64_FORMAT " from %" G_GUINT64_FORMAT
        " to %" G_GUINT64_FORMAT " opened %u closed %u by %u of %.1f path %.2f at %" G_GUINT64_FORMAT " %.2f,%.2f; ",
        s->track, s->epoch, s->since, s->until, s->opened, s->closed, s->compensations, s->transform[8],
        s->motion.path, p->before, p->x, p->y);
  }
  if (view)
    g_string_append_printf (said, "view %" G_GUINT64_FORMAT ".%" G_GUINT64_FORMAT " phase %u motion %u source %u"
        " valid %u by %.2f known %u shift %.2f at %.*s%.*s; ", view->epoch, view->version, view->phase,
        view->motion, view->source, view->validity, view->confidence, view->known, view->to_previous[2],
        TEXT (view->preset), TEXT (view->reason));
  for (gsize i = 0; truth && i < truth->count; i++) {
    const NvpTrueObject *o = &truth->objects[i];
    NvpText label = nvp_labels_get (&truth->labels, o->class_id);

    g_string_append_printf (said, "truth %" G_GUINT64_FORMAT ": %" G_GUINT64_FORMAT " %.*s %.2f at"
        " %.2f,%.2f,%.2f,%.2f zoom %.1f preset %d of %.1f; ", truth->frame, o->id, TEXT (label), o->visibility,
        o->box.x_min, o->box.y_min, o->box.x_max, o->box.y_max, truth->zoom, truth->preset, truth->to_scene[8]);
  }
  if (stage)
    g_string_append_printf (said, "%.*s %" G_GUINT64_FORMAT ":", TEXT (stage->feed), stage->sequence);
  for (; stage; stage = (const NvpProvenance *) stage->previous) {
    g_string_append_printf (said, " %.*s %.*s %u %.*s %u;", TEXT (stage->element), TEXT (stage->provider),
        stage->outcome, TEXT (stage->reason), stage->generation);
  }
  if (batch)
    say_batch (said, batch);
  gst_element_post_message (GST_ELEMENT (reader), gst_message_new_element (GST_OBJECT (reader),
          gst_structure_new ("meta-reader", "said", G_TYPE_STRING, said->str, NULL)));
  g_string_free (said, TRUE);
  return GST_FLOW_OK;
}

static void
meta_reader_class_init (MetaReaderClass * klass)
{
  static GstStaticPadTemplate sink =
      GST_STATIC_PAD_TEMPLATE ("sink", GST_PAD_SINK, GST_PAD_ALWAYS, GST_STATIC_CAPS_ANY);
  static GstStaticPadTemplate src =
      GST_STATIC_PAD_TEMPLATE ("src", GST_PAD_SRC, GST_PAD_ALWAYS, GST_STATIC_CAPS_ANY);
  GstElementClass *element = GST_ELEMENT_CLASS (klass);

  gst_element_class_set_static_metadata (element, "Meta reader", "Filter/Video", "Reads metas", "tests");
  gst_element_class_add_static_pad_template (element, &sink);
  gst_element_class_add_static_pad_template (element, &src);
  klass->transform_ip = meta_reader_transform_ip;
}

static void
meta_reader_init (MetaReader * reader)
{
  gst_base_transform_set_passthrough (reader, TRUE);
}

static gboolean
plugin_init (GstPlugin * plugin)
{
  return gst_element_register (plugin, "metareader", GST_RANK_NONE, meta_reader_get_type ());
}

#define PACKAGE "nvperception-tests"
GST_PLUGIN_DEFINE (GST_VERSION_MAJOR, GST_VERSION_MINOR, metareader, "Reads metas from C", plugin_init, "1",
    "MIT/X11", "nvperception-tests", "https://gstreamer.freedesktop.org")
