/* SPDX-License-Identifier: MIT OR Apache-2.0
 *
 * Perception metadata on GStreamer buffers, for C and whatever reads C: layout version 1.
 *
 * Nothing has to be linked: the accessors below are inline and find the metas by name. They need
 * <gst/gst.h> and <gst/video/video.h> of GStreamer 1.22 or later.
 *
 * What an accessor returns belongs to the buffer. It stays valid while the caller holds a reference to the
 * buffer and nobody changes the buffer's metas; it is never written to. To keep it longer call
 * nvp_retain(), and nvp_release() when done, from any thread.
 *
 * Coordinates are in units of the frame: (0, 0) is the top left corner, (1, 1) the bottom right. Boxes of
 * objects that the border cuts reach outside. Text is UTF-8 without a terminator. Times are nanoseconds.
 */
#ifndef NVPERCEPTION_H
#define NVPERCEPTION_H

#include <gst/gst.h>
#include <gst/video/video.h>

G_BEGIN_DECLS

#define NVP_LAYOUT_VERSION 1

#define NVP_DETECTION_META_API "NvpDetectionMetaAPI"
#define NVP_TRACK_META_API "NvpTrackMetaAPI"
#define NVP_VIEW_META_API "NvpViewMetaAPI"
#define NVP_TRUTH_META_API "NvpTruthMetaAPI"
#define NVP_SIGNAL_META_API "NvpSignalMetaAPI"
#define NVP_EVENT_META_API "NvpEventMetaAPI"
#define NVP_ZONE_META_API "NvpZoneMetaAPI"
#define NVP_PROVENANCE_META_API "NvpProvenanceMetaAPI"
#define NVP_BATCH_META_API "NvpBatchMetaAPI"

typedef struct NvpHeader NvpHeader;

/* How a payload is shared; both may be called from any thread. */
typedef struct {
  void (*retain) (const NvpHeader * payload);
  void (*release) (const NvpHeader * payload);
} NvpFunctions;

/* What every payload starts with, in every layout version. */
struct NvpHeader {
  guint32 version;              /* NVP_LAYOUT_VERSION, or leave the payload alone */
  guint32 size;                 /* bytes, this header included; may grow within a version */
  const NvpFunctions *functions;
};

/* The meta of each kind, in every layout version. */
typedef struct {
  GstMeta meta;
  const NvpHeader *payload;     /* NULL, or a reference that the meta owns */
} NvpMeta;

/* data is NULL where there is no text. */
typedef struct {
  const gchar *data;
  gsize len;                    /* bytes */
} NvpText;

/* Class names: all in one text, and where each of them ends in it. */
typedef struct {
  NvpText text;
  const gsize *ends;            /* bytes into text */
  gsize count;
} NvpLabels;

/* The GstVideoCropMeta that was on the buffer when the payload was attached; all 0 when there was none.
 * Where it differs from the one on the buffer now, the coordinates are stale: treat the payload as absent. */
typedef struct {
  guint32 x, y, width, height;
} NvpCrop;

typedef struct {
  gfloat x_min, y_min, x_max, y_max;
} NvpBox;

typedef struct {
  NvpBox box;
  gfloat confidence;            /* in [0, 1] */
  gint32 class_id;              /* index of its name in the labels */
} NvpDetection;

typedef enum {
  NVP_TASK_DETECT = 0,          /* items are objects */
  NVP_TASK_CLASSIFY = 1,        /* classes of a region, the likeliest first; the box is the region's */
  NVP_TASK_EMBED = 2            /* a region's appearance; the box is the region's, the class is -1 */
} NvpTask;

/* What a model looked at when it was not the whole frame. */
typedef struct {
  guint64 track;                /* id, 0 when it was a detection */
  guint64 age;                  /* since the model looked at it */
  gint32 model;                 /* index of the detection's model in parent_models, -1 for a track */
  gint32 item;                  /* index of the detection in that model's items, -1 when not known */
} NvpParent;

typedef struct {
  gfloat x, y;
  gfloat confidence;            /* in [0, 1] */
} NvpKeypoint;

/* The corners of a box that is not upright, clockwise, each x, y. */
typedef struct {
  gfloat corners[4][2];
} NvpQuad;

/* The item's box divided into width x height cells: bytes in rows from mask_cells[offset] on, the certainty
 * that the object is there from 0 to 255. */
typedef struct {
  guint32 offset;
  guint16 width, height;        /* 0 when the item has none */
} NvpMask;

/* What one model found on a frame: none when count is 0. Of the arrays after parents each is empty, or has
 * an entry (keypoints: keypoints_each, embeddings: embedding_length entries) for each item in their order. */
typedef struct {
  NvpHeader header;
  NvpCrop crop;
  NvpText model;
  NvpLabels labels;
  const NvpDetection *items;    /* by falling confidence within a parent */
  gsize count;
  guint32 task;                 /* NvpTask */
  guint32 reserved;
  guint64 age;                  /* from the frame that the model looked at to this one */
  GstClockTime source_pts;      /* of that frame; GST_CLOCK_TIME_NONE when it is this one */
  const NvpParent *parents;     /* one an item, or none when the model looked at the whole frame */
  gsize parent_count;
  NvpLabels parent_models;
  const NvpKeypoint *keypoints;
  gsize keypoint_count;
  gsize keypoints_each;
  const NvpQuad *quads;
  gsize quad_count;
  const NvpMask *masks;
  gsize mask_count;
  const guint8 *mask_cells;
  gsize mask_cell_count;
  const gfloat *embeddings;     /* of length 1 */
  gsize embedding_count;
  gsize embedding_length;
} NvpDetections;

typedef enum {
  NVP_TRACK_TENTATIVE = 0,
  NVP_TRACK_CONFIRMED = 1,
  NVP_TRACK_COASTED = 2,
  NVP_TRACK_LOST = 3
} NvpTrackState;

typedef enum {
  NVP_CONTINUITY_CONTINUED = 0,
  NVP_CONTINUITY_REASSOCIATED = 1,      /* found again elsewhere or in another view */
  NVP_CONTINUITY_BROKEN_BY_VIEW = 2     /* the view changed: it may be an object tracked before */
} NvpContinuity;

/* How a track has moved since its current segment began, free of the camera's motion; what is not known is NaN.
 * The foot point, the middle of the box's lower edge, is what moves. Lengths count x in widths and y in heights of
 * the frame. A frame made from this one by a transform that does not scale both alike has path and speeds of NaN. */
typedef struct {
  guint32 stationary;           /* 1 when it has kept its place for two seconds */
  gfloat path;                  /* length of its way */
  gfloat displacement[2];       /* from where it began: x, y */
  gfloat mean_speed;            /* path over time, a second */
  gfloat max_speed;             /* of means over about half a second, a second */
  gfloat direction;             /* degrees clockwise from the right in the displayed picture, in [0, 360) */
  gfloat ground[2];             /* where it stands, in metres: x, y */
  gfloat ground_displacement[2];        /* metres */
  gfloat ground_path;           /* metres */
  gfloat ground_speed;          /* over about the last half a second, metres a second */
  gfloat ground_mean_speed;     /* metres a second */
  gfloat ground_max_speed;      /* metres a second */
} NvpTrackMotion;

typedef struct {
  guint64 id;                   /* below 2^53, unique within the run */
  guint64 age;                  /* since the first detection */
  guint64 since_match;          /* since the last one; 0 when matched on this frame */
  NvpBox box;
  gfloat velocity[2];           /* of the centre: x, y, in units of the frame a second */
  gfloat confidence;            /* in [0, 1] */
  gint32 class_id;              /* in its model's numbering */
  gint32 label;                 /* index of its name in the labels, -1 when it has none */
  guint32 state;                /* NvpTrackState */
  guint32 continuity;           /* NvpContinuity */
  NvpTrackMotion motion;
} NvpTrack;

typedef enum {
  NVP_END_LOST = 0,             /* not seen for too long */
  NVP_END_DUPLICATE = 1,        /* another track follows the same object */
  NVP_END_EVICTED = 2,          /* there were too many tracks */
  NVP_END_BROKEN_BY_VIEW = 3,   /* the view changed so that it could not be followed */
  NVP_END_RESTART = 4           /* the stream began anew */
} NvpEndReason;

/* A track that ended on the frame. */
typedef struct {
  NvpTrack track;               /* as it was last */
  guint32 reason;               /* NvpEndReason */
  guint32 reserved;
} NvpEnded;

typedef enum {
  NVP_PAST_TENTATIVE = 0,       /* the track was tentative then and is believed now */
  NVP_PAST_INTERPOLATED = 1     /* it was not seen then and has been found again */
} NvpPastKind;

/* Where a track was on an earlier frame, as it turns out on this one. */
typedef struct {
  guint64 id;
  guint64 before;               /* from that frame to this one */
  NvpBox box;                   /* in units of that frame */
  gfloat confidence;            /* in [0, 1] */
  guint32 kind;                 /* NvpPastKind */
} NvpPast;

typedef enum {
  NVP_OPENED_BORN = 0,          /* the track began */
  NVP_OPENED_EPOCH = 1,         /* the view is of another epoch */
  NVP_OPENED_VIEW = 2,          /* the view moved, and nobody knows how */
  NVP_OPENED_REASSOCIATED = 3   /* found again in another view */
} NvpOpened;

typedef enum {
  NVP_CLOSED_OPEN = 0,          /* it is not */
  NVP_CLOSED_EPOCH = 1,
  NVP_CLOSED_VIEW = 2,
  NVP_CLOSED_ENDED = 3          /* the track ended */
} NvpClosed;

/* A part of a trajectory that lies in one view. */
typedef struct {
  guint64 track;                /* id */
  guint64 epoch;                /* of the view */
  guint64 since;                /* from its first point to this frame */
  guint64 until;                /* from its last point to this frame */
  guint32 opened;               /* NvpOpened */
  guint32 closed;               /* NvpClosed */
  guint32 compensations;        /* how many times the camera's motion was taken out */
  guint32 count;                /* of its points that are kept */
  guint64 first;                /* index of the first of them in the tracks' points */
  gdouble transform[9];         /* from its first frame's points to this frame's, or to those when it was closed */
  NvpTrackMotion motion;
  guint32 reserved;
} NvpTrackSegment;

typedef struct {
  guint64 before;               /* from its frame to this one */
  gfloat x, y;                  /* of the foot point, in units of its segment's first frame */
} NvpTrackPoint;

typedef struct {
  NvpHeader header;
  NvpCrop crop;
  NvpText run;                  /* UUID */
  NvpLabels labels;
  const NvpTrack *items;        /* by rising id */
  gsize count;
  const NvpEnded *ended;        /* NULL when the tracker does not tell */
  gsize ended_count;
  const NvpPast *past;          /* by id, the older rows first; NULL when the tracker does not tell */
  gsize past_count;
  const NvpTrackSegment *segments;      /* by track, the older first; of those whose trajectory is told */
  gsize segment_count;
  const NvpTrackPoint *points;
  gsize point_count;
} NvpTracks;

typedef enum {
  NVP_MOTION_UNKNOWN = 0,       /* to be taken as moving */
  NVP_MOTION_STABLE = 1,
  NVP_MOTION_MOVING = 2
} NvpMotion;

typedef enum {
  NVP_PHASE_SETTLED = 0,
  NVP_PHASE_MOVE_START = 1,     /* the first frame of a move */
  NVP_PHASE_MOVING = 2,
  NVP_PHASE_MOVE_END = 3        /* the first frame after it */
} NvpPhase;

typedef enum {
  NVP_SOURCE_NONE = 0,
  NVP_SOURCE_TELEMETRY = 1,
  NVP_SOURCE_INFERRED = 2,
  NVP_SOURCE_EXTERNAL = 3
} NvpMotionSource;

typedef enum {
  NVP_VALIDITY_VALID = 0,
  NVP_VALIDITY_DEGRADED = 1,
  NVP_VALIDITY_INVALID = 2
} NvpValidity;

/* What becomes of what is drawn on the view. */
typedef enum {
  NVP_DECISION_CONTINUE = 0,    /* it stays */
  NVP_DECISION_DEGRADE = 1,     /* it is not to be relied on */
  NVP_DECISION_COMPENSATE = 2,  /* it is led along by to_reference */
  NVP_DECISION_SEGMENT = 3      /* it ends: a new epoch begins */
} NvpDecision;

#define NVP_VIEW_TO_PREVIOUS_KNOWN 1u
#define NVP_VIEW_TO_REFERENCE_KNOWN 2u
#define NVP_VIEW_PTZ_KNOWN 4u

/* The camera's view. Homographies are row-major and map this frame's normalised points. */
typedef struct {
  NvpHeader header;
  NvpCrop crop;
  guint64 epoch;                /* discontinuities so far */
  guint64 version;              /* changes of any kind so far */
  gfloat to_previous[9];        /* to the previous frame's points */
  gfloat to_reference[9];       /* to those of the epoch's reference frame */
  guint32 known;                /* NVP_VIEW_..._KNOWN */
  guint32 phase;                /* NvpPhase */
  guint32 motion;               /* NvpMotion */
  guint32 source;               /* NvpMotionSource */
  guint32 validity;             /* NvpValidity */
  gfloat confidence;            /* in the motion, in [0, 1] */
  gfloat stability;             /* in [0, 1] */
  guint32 decision;             /* NvpDecision */
  NvpText reason;               /* why it is not valid */
  NvpText preset;               /* no text when not known */
  gdouble pan;                  /* degrees to the right */
  gdouble tilt;                 /* degrees upwards */
  gdouble zoom;                 /* times the widest */
} NvpView;

/* One object that is really there. */
typedef struct {
  guint64 id;                   /* below 2^53 */
  NvpBox box;                   /* around all of it, hidden parts and those outside the frame included */
  gfloat visibility;            /* the part of it that can be seen, in [0, 1] */
  gint32 class_id;              /* index of its name in the labels */
} NvpTrueObject;

/* What is really in a synthetic frame. Homographies as in NvpView. */
typedef struct {
  NvpHeader header;
  NvpCrop crop;
  guint64 frame;                /* its number, from 0 */
  NvpLabels labels;
  const NvpTrueObject *objects; /* by rising id */
  gsize count;
  gdouble to_previous[9];
  gdouble to_scene[9];          /* to the points of the view at preset 0 */
  gfloat pan, tilt, roll;       /* degrees to the right, downwards, clockwise */
  gfloat zoom;                  /* focal length in units of the widest */
  gint32 preset;                /* -1 on the way and where there is none */
  guint32 moved;                /* 1 when the view differs from the previous frame's */
  guint32 cut;                  /* 1 when it jumped */
  guint32 reserved;
} NvpTruth;

/* A named value. */
typedef struct {
  gint32 name;                  /* index in the names */
  guint32 reserved;
  gdouble value;                /* in the signal's own unit; NaN when it is not known */
  guint64 ttl;                  /* from the frame on during which it holds */
} NvpSignal;

/* The signals of one source. */
typedef struct {
  NvpHeader header;
  NvpText source;               /* the name of an element, say */
  NvpLabels names;
  const NvpSignal *items;
  gsize count;
} NvpSignals;

typedef enum {
  NVP_EVENT_POTENTIAL = 0,      /* its condition holds, for not long enough yet */
  NVP_EVENT_CONFIRMED = 1,
  NVP_EVENT_ENDED = 2,
  NVP_EVENT_CANCELLED = 3       /* it was potential and came to nothing */
} NvpEventState;

typedef enum {
  NVP_CLOSING_OPEN = 0,         /* it is not over */
  NVP_CLOSING_CLEARED = 1,      /* its condition failed */
  NVP_CLOSING_MAX_DURATION = 2,
  NVP_CLOSING_SUSPENDED = 3,    /* what it is about is out of view */
  NVP_CLOSING_RULES_CHANGED = 4,
  NVP_CLOSING_RESTART = 5,      /* the stream began anew */
  NVP_CLOSING_END_OF_STREAM = 6 /* the stream ended or was stopped */
} NvpClosing;

/* An event as it stands on a frame. Times are running times, G_MAXUINT64 before they have come. */
typedef struct {
  guint64 id;                   /* below 2^53, never used twice in a run */
  guint64 start;                /* when its condition began to hold */
  guint64 confirmed;            /* when it had held for long enough */
  guint64 end;                  /* when it held last, once the event is over */
  guint64 generation;           /* of the rules that decided */
  gint32 rule, zone, line;      /* indices in the names, -1 for none */
  guint32 state;                /* NvpEventState */
  guint32 closing;              /* NvpClosing */
  guint32 changed;              /* 1 when it stands otherwise than on the frame before, 0 when it goes on */
  guint32 first_track, tracks;  /* its part of the tracks */
  guint32 first_evidence, evidence;     /* its part of the evidence */
} NvpEvent;

/* The course of a signal while an event's condition held. What is not known is NaN. */
typedef struct {
  gint32 signal;                /* index in the names */
  guint32 reserved;
  gdouble start;                /* when the condition began to hold */
  gdouble confirmed;            /* when the event was confirmed */
  gdouble last;                 /* when the condition held last */
  gdouble peak;                 /* the greatest */
  guint64 peak_time;            /* when that was first: running time */
} NvpEvidence;

/* The events of a frame: what changed on it, and what goes on. */
typedef struct {
  NvpHeader header;
  NvpText run;                  /* ids are unique within it */
  NvpLabels names;
  const NvpEvent *items;
  gsize count;
  const guint64 *tracks;
  gsize track_count;
  const NvpEvidence *evidence;
  gsize evidence_count;
} NvpEvents;

typedef enum {
  NVP_SHAPE_ZONE = 0,           /* a closed polygon */
  NVP_SHAPE_LINE = 1            /* a polyline */
} NvpShapeKind;

typedef struct {
  gint32 name;                  /* index in the names */
  guint32 kind;                 /* NvpShapeKind */
  guint32 first, count;         /* its part of the points */
} NvpShape;

typedef enum {
  NVP_HOLD_CURRENT = 0,
  NVP_HOLD_AWAY = 1,            /* the camera looks elsewhere */
  NVP_HOLD_UNSURE = 2,          /* nobody can tell for sure where it lies on the frame */
  NVP_HOLD_UNBOUND = 3          /* no view has been seen that it could be bound to */
} NvpHold;

typedef struct {
  guint32 hold;                 /* NvpHold */
  guint32 reserved;
  gdouble counts[2];            /* a zone's occupancy (NaN when not known) and entries; a line's forward, backward */
} NvpShapeNow;

/* Where zones and lines are on a frame. */
typedef struct {
  NvpHeader header;
  NvpCrop crop;
  NvpLabels names;
  const NvpShape *shapes;
  gsize count;
  const gfloat (*points)[2];    /* x, y in the view that the shape is bound to */
  gsize point_count;
  const NvpShapeNow *now;       /* of each shape */
  gsize now_count;
  guint64 generation;           /* of the rules */
  gfloat to_frame[9];           /* row-major, from the points of the shapes that hold to this frame's */
  guint32 reserved;
} NvpZones;

typedef enum {
  NVP_OUTCOME_OK = 0,
  NVP_OUTCOME_SKIPPED = 1,
  NVP_OUTCOME_FAILED = 2
} NvpOutcome;

/* A frame's origin and its last stage; previous leads back to the first one. */
typedef struct {
  NvpHeader header;
  NvpText feed;
  guint64 sequence;             /* number of the frame in the feed, from 0 */
  guint64 received;             /* since the Unix epoch */
  guint32 stages;               /* this one included, at most 256 */
  guint32 outcome;              /* NvpOutcome */
  NvpText element;
  NvpText model_sha256;         /* no text when the stage ran no model */
  NvpText provider;             /* no text when the stage ran no model */
  NvpText reason;               /* why it skipped the frame, or the category of the failure */
  guint64 start;                /* on the process's monotonic clock */
  guint64 end;
  const NvpHeader *previous;    /* NvpProvenance of the stage before, or NULL */
  guint32 generation;           /* of the settings in force, 0 when the stage does not count them */
  guint32 reserved;
} NvpProvenance;

/* What is known of a stream at some place in it: a payload of its own, shared by the items of a batch. */
typedef struct {
  NvpHeader header;
  guint32 pad;                  /* number of the pad that the stream came in on */
  guint32 reserved;
  NvpText id;                   /* in its stream-start event; empty before that */
  NvpText name;                 /* what people call it; empty when it has no other name than its id */
  GstCaps *caps;                /* or NULL; these two are not to be changed */
  GstSegment *segment;          /* or NULL */
} NvpStream;

typedef enum {
  NVP_BATCH_FRAME = 0,
  NVP_BATCH_EVENT = 1,          /* a serialised event of the stream */
  NVP_BATCH_RELEASED = 2        /* the stream's pad was released: nothing more comes */
} NvpBatchKind;

typedef struct {
  const NvpStream *stream;
  GstBuffer *buffer;            /* of a frame, not to be changed: others may hold the batch */
  GstEvent *event;              /* of an event */
  guint32 kind;                 /* NvpBatchKind */
  guint32 reserved;
} NvpBatchItem;

/* The frames of several streams and the events between them; those of one stream are in its order. */
typedef struct {
  NvpHeader header;
  const NvpBatchItem *items;
  gsize count;
} NvpBatch;

#if GLIB_SIZEOF_VOID_P == 8
G_STATIC_ASSERT (sizeof (NvpHeader) == 16);
G_STATIC_ASSERT (sizeof (NvpDetection) == 24);
G_STATIC_ASSERT (sizeof (NvpTrackMotion) == 60);
G_STATIC_ASSERT (sizeof (NvpTrack) == 128);
G_STATIC_ASSERT (sizeof (NvpEnded) == 136);
G_STATIC_ASSERT (sizeof (NvpPast) == 40);
G_STATIC_ASSERT (sizeof (NvpTrackSegment) == 192);
G_STATIC_ASSERT (sizeof (NvpTrackPoint) == 16);
G_STATIC_ASSERT (sizeof (NvpParent) == 24);
G_STATIC_ASSERT (sizeof (NvpKeypoint) == 12);
G_STATIC_ASSERT (sizeof (NvpQuad) == 32);
G_STATIC_ASSERT (sizeof (NvpMask) == 8);
G_STATIC_ASSERT (sizeof (NvpDetections) == 264);
G_STATIC_ASSERT (sizeof (NvpTracks) == 160);
G_STATIC_ASSERT (sizeof (NvpView) == 208);
G_STATIC_ASSERT (sizeof (NvpTrueObject) == 32);
G_STATIC_ASSERT (sizeof (NvpTruth) == 264);
G_STATIC_ASSERT (sizeof (NvpSignal) == 24);
G_STATIC_ASSERT (sizeof (NvpSignals) == 80);
G_STATIC_ASSERT (sizeof (NvpEvent) == 80);
G_STATIC_ASSERT (sizeof (NvpEvidence) == 48);
G_STATIC_ASSERT (sizeof (NvpEvents) == 112);
G_STATIC_ASSERT (sizeof (NvpShape) == 16);
G_STATIC_ASSERT (sizeof (NvpShapeNow) == 24);
G_STATIC_ASSERT (sizeof (NvpZones) == 160);
G_STATIC_ASSERT (sizeof (NvpProvenance) == 152);
G_STATIC_ASSERT (sizeof (NvpStream) == 72);
G_STATIC_ASSERT (sizeof (NvpBatchItem) == 32);
G_STATIC_ASSERT (sizeof (NvpBatch) == 32);
#endif

static inline void
nvp_retain (const NvpHeader * payload)
{
  payload->functions->retain (payload);
}

static inline void
nvp_release (const NvpHeader * payload)
{
  payload->functions->release (payload);
}

/* The next payload of a kind that this header describes, or NULL. *state is NULL at first. */
static inline const NvpHeader *
nvp_buffer_iterate (GstBuffer * buffer, const gchar * api, gsize size, gpointer * state)
{
  GType type = g_type_from_name (api);
  GstMeta *meta;

  if (type == 0)
    return NULL;
  while ((meta = gst_buffer_iterate_meta_filtered (buffer, state, type))) {
    const NvpHeader *payload = ((NvpMeta *) meta)->payload;

    if (payload && payload->version == NVP_LAYOUT_VERSION && payload->size >= size)
      return payload;
  }
  return NULL;
}

static inline gboolean
nvp_crop_holds (GstBuffer * buffer, const NvpCrop * crop)
{
  static const NvpCrop whole = { 0, 0, 0, 0 };
  GType type = g_type_from_name ("GstVideoCropMetaAPI");
  GstVideoCropMeta *now = type ? (GstVideoCropMeta *) gst_buffer_get_meta (buffer, type) : NULL;
  NvpCrop is = whole;

  if (now) {
    is.x = now->x;
    is.y = now->y;
    is.width = now->width;
    is.height = now->height;
  }
  return is.x == crop->x && is.y == crop->y && is.width == crop->width && is.height == crop->height;
}

/* What the next model found, in the order of attaching, or NULL. *state is NULL at first. */
static inline const NvpDetections *
nvp_buffer_iterate_detections (GstBuffer * buffer, gpointer * state)
{
  const NvpHeader *payload;

  while ((payload = nvp_buffer_iterate (buffer, NVP_DETECTION_META_API, sizeof (NvpDetections), state))) {
    const NvpDetections *detections = (const NvpDetections *) payload;

    if (nvp_crop_holds (buffer, &detections->crop))
      return detections;
  }
  return NULL;
}

/* What the first model found, or NULL when none has looked at the frame. */
static inline const NvpDetections *
nvp_buffer_get_detections (GstBuffer * buffer)
{
  gpointer state = NULL;

  return nvp_buffer_iterate_detections (buffer, &state);
}

/* The tracks of the frame, or NULL when no tracker has seen it. */
static inline const NvpTracks *
nvp_buffer_get_tracks (GstBuffer * buffer)
{
  gpointer state = NULL;
  const NvpHeader *payload;

  while ((payload = nvp_buffer_iterate (buffer, NVP_TRACK_META_API, sizeof (NvpTracks), &state))) {
    const NvpTracks *tracks = (const NvpTracks *) payload;

    if (nvp_crop_holds (buffer, &tracks->crop))
      return tracks;
  }
  return NULL;
}

/* The camera's view, or NULL. */
static inline const NvpView *
nvp_buffer_get_view (GstBuffer * buffer)
{
  gpointer state = NULL;
  const NvpHeader *payload;

  while ((payload = nvp_buffer_iterate (buffer, NVP_VIEW_META_API, sizeof (NvpView), &state))) {
    const NvpView *view = (const NvpView *) payload;

    if (nvp_crop_holds (buffer, &view->crop))
      return view;
  }
  return NULL;
}

/* What is really in the frame, or NULL. */
static inline const NvpTruth *
nvp_buffer_get_truth (GstBuffer * buffer)
{
  gpointer state = NULL;
  const NvpHeader *payload;

  while ((payload = nvp_buffer_iterate (buffer, NVP_TRUTH_META_API, sizeof (NvpTruth), &state))) {
    const NvpTruth *truth = (const NvpTruth *) payload;

    if (nvp_crop_holds (buffer, &truth->crop))
      return truth;
  }
  return NULL;
}

/* The signals of the next source, in the order of attaching, or NULL. *state is NULL at first. */
static inline const NvpSignals *
nvp_buffer_iterate_signals (GstBuffer * buffer, gpointer * state)
{
  return (const NvpSignals *) nvp_buffer_iterate (buffer, NVP_SIGNAL_META_API, sizeof (NvpSignals), state);
}

/* The events of the frame, or NULL where nobody decides. */
static inline const NvpEvents *
nvp_buffer_get_events (GstBuffer * buffer)
{
  gpointer state = NULL;

  return (const NvpEvents *) nvp_buffer_iterate (buffer, NVP_EVENT_META_API, sizeof (NvpEvents), &state);
}

/* Where zones and lines are, or NULL. */
static inline const NvpZones *
nvp_buffer_get_zones (GstBuffer * buffer)
{
  gpointer state = NULL;
  const NvpHeader *payload;

  while ((payload = nvp_buffer_iterate (buffer, NVP_ZONE_META_API, sizeof (NvpZones), &state))) {
    const NvpZones *zones = (const NvpZones *) payload;

    if (nvp_crop_holds (buffer, &zones->crop))
      return zones;
  }
  return NULL;
}

/* The last stage of the frame, or NULL. */
static inline const NvpProvenance *
nvp_buffer_get_provenance (GstBuffer * buffer)
{
  gpointer state = NULL;

  return (const NvpProvenance *)
      nvp_buffer_iterate (buffer, NVP_PROVENANCE_META_API, sizeof (NvpProvenance), &state);
}

/* The batch, or NULL when the buffer is none. */
static inline const NvpBatch *
nvp_buffer_get_batch (GstBuffer * buffer)
{
  gpointer state = NULL;

  return (const NvpBatch *) nvp_buffer_iterate (buffer, NVP_BATCH_META_API, sizeof (NvpBatch), &state);
}

/* The name of a class; no text when it has none. */
static inline NvpText
nvp_labels_get (const NvpLabels * labels, gint32 index)
{
  NvpText name = { NULL, 0 };
  gsize start, end;

  if (index < 0 || (gsize) index >= labels->count)
    return name;
  start = index ? labels->ends[index - 1] : 0;
  end = labels->ends[index];
  if (start > end || end > labels->text.len)
    return name;
  name.data = labels->text.data + start;
  name.len = end - start;
  return name;
}

G_END_DECLS

#endif /* NVPERCEPTION_H */
