//! Pan, tilt and zoom from ONVIF metadata.
//!
//! A document is a `tt:MetadataStream` with any number of `tt:PTZStatus`, under `tt:PTZ` or a `tt:VideoAnalytics` frame (ONVIF
//! Streaming Specification, "Metadata streaming"; ONVIF PTZ Service Specification, "Coordinate systems"). Positions come in
//! degrees (`SphericalPositionSpaceDegrees`) or, as most cameras send them, in generic units without a meaning of
//! their own: pan and tilt from -1 to 1, zoom from 0 to 1.

use roxmltree::{Document, Node, ParsingOptions};

use super::part::PtzPart;

const SCHEMA: &str = "http://www.onvif.org/ver10/schema";
/// Larger documents are refused.
const MOST_BYTES: usize = 1 << 20;
const MOST_NODES: u32 = 100_000;

/// What a camera's generic units stand for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GenericSpace {
    /// Degrees of pan at 1.
    pub pan: f64,
    /// Degrees of tilt at 1.
    pub tilt: f64,
    /// Zoom ratio at 1; that at 0 is 1.
    pub zoom: f64,
}

impl Default for GenericSpace {
    fn default() -> Self {
        Self { pan: 180.0, tilt: 90.0, zoom: 10.0 }
    }
}

/// Why a document is not read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OnvifError {
    /// It is no XML.
    Xml(String),
    /// It is XML of another kind.
    NoMetadata(String),
    /// A position's number is missing or none.
    Number {
        /// Line in the document, from 1.
        line: u32,
        /// Which one.
        name: &'static str,
        /// What is there.
        found: String,
    },
    /// A position is in units that say nothing of degrees.
    Space {
        /// Line in the document, from 1.
        line: u32,
        /// The space's address.
        space: String,
    },
}

impl std::fmt::Display for OnvifError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Xml(why) => write!(f, "it is no well-formed XML: {why}"),
            Self::NoMetadata(root) => {
                write!(f, "its root is {root:?} where MetadataStream of {SCHEMA} is needed")
            }
            Self::Number { line, name, found } => {
                write!(f, "line {line}: the {name} is {found:?} where a number is needed")
            }
            Self::Space { line, space } => {
                write!(
                    f,
                    "line {line}: positions in {space} cannot be told in degrees; generic and spherical ones can"
                )
            }
        }
    }
}

impl std::error::Error for OnvifError {}

/// The last pose of a document, as far as it tells one, or `None` where it tells nothing of it.
///
/// # Errors
/// The document is none that can be read.
pub fn pose(document: &str, generic: &GenericSpace) -> Result<Option<PtzPart>, OnvifError> {
    if document.len() > MOST_BYTES {
        return Err(OnvifError::Xml(format!("it has more than {MOST_BYTES} bytes")));
    }
    let options = ParsingOptions { nodes_limit: MOST_NODES, ..ParsingOptions::default() };
    let document = Document::parse_with_options(document, options)
        .map_err(|error| OnvifError::Xml(error.to_string()))?;
    let root = document.root_element();
    if !root.has_tag_name((SCHEMA, "MetadataStream")) {
        return Err(OnvifError::NoMetadata(root.tag_name().name().to_owned()));
    }
    let mut told = PtzPart::default();
    for status in root.descendants().filter(|node| node.has_tag_name((SCHEMA, "PTZStatus"))) {
        let Some(position) = child(status, "Position") else { continue };
        if let Some(node) = child(position, "PanTilt") {
            let [x, y] = [number(node, "x", "pan")?, number(node, "y", "tilt")?];
            let unit = degrees(node, &[generic.pan, generic.tilt])?;
            (told.pan, told.tilt) = (Some(x * unit[0]), Some(y * unit[1]));
        }
        if let Some(node) = child(position, "Zoom") {
            told.zoom = Some(1.0 + number(node, "x", "zoom")? * (generic.zoom - 1.0));
            if !space(node).is_none_or(|space| space.ends_with("/ZoomSpaces/PositionGenericSpace")) {
                return Err(unknown(node));
            }
        }
    }
    Ok((told != PtzPart::default()).then_some(told))
}

fn child<'a, 'i>(node: Node<'a, 'i>, name: &str) -> Option<Node<'a, 'i>> {
    node.children().find(|child| child.has_tag_name((SCHEMA, name)))
}

fn line(node: Node<'_, '_>) -> u32 {
    node.document().text_pos_at(node.range().start).row
}

fn number(node: Node<'_, '_>, attribute: &str, name: &'static str) -> Result<f64, OnvifError> {
    let found = node.attribute(attribute).unwrap_or_default();
    let number = found.trim().parse().ok().filter(|v: &f64| v.is_finite());
    number.ok_or_else(|| OnvifError::Number { line: line(node), name, found: found.to_owned() })
}

fn space<'a>(node: Node<'a, '_>) -> Option<&'a str> {
    node.attribute("space").filter(|space| !space.is_empty())
}

fn unknown(node: Node<'_, '_>) -> OnvifError {
    OnvifError::Space { line: line(node), space: space(node).unwrap_or_default().to_owned() }
}

/// Degrees per unit of pan and of tilt.
fn degrees(node: Node<'_, '_>, generic: &[f64; 2]) -> Result<[f64; 2], OnvifError> {
    match space(node).map(|space| space.rsplit('/').next().unwrap_or_default()) {
        None | Some("PositionGenericSpace") => Ok(*generic),
        Some("SphericalPositionSpaceDegrees" | "SphericalPositionSpace") => Ok([1.0, 1.0]),
        Some(_) => Err(unknown(node)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream(inner: &str) -> String {
        format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<tt:MetadataStream xmlns:tt=\"{SCHEMA}\">{inner}</tt:MetadataStream>"
        )
    }

    fn status(position: &str) -> String {
        stream(&format!(
            "<tt:PTZ><tt:PTZStatus><tt:Position>{position}</tt:Position></tt:PTZStatus></tt:PTZ>"
        ))
    }

    fn read(document: &str) -> Result<Option<PtzPart>, OnvifError> {
        pose(document, &GenericSpace::default())
    }

    fn part(pan: Option<f64>, tilt: Option<f64>, zoom: Option<f64>) -> Result<Option<PtzPart>, OnvifError> {
        Ok(Some(PtzPart { pan, tilt, zoom }))
    }

    #[test]
    fn generic_and_spherical_positions() {
        let both = status("<tt:PanTilt x=\"0.5\" y=\"-0.25\"/><tt:Zoom x=\"1\"/>");
        assert_eq!(read(&both), part(Some(90.0), Some(-22.5), Some(10.0)));
        let degrees = status(
            "<tt:PanTilt x=\"12.5\" y=\"3\" \
             space=\"http://www.onvif.org/ver10/tptz/PanTiltSpaces/SphericalPositionSpaceDegrees\"/>",
        );
        assert_eq!(read(&degrees), part(Some(12.5), Some(3.0), None));
        let zoom = status("<tt:Zoom x=\"0\"/>");
        assert_eq!(read(&zoom), part(None, None, Some(1.0)));
        assert_eq!(read(&status("")), Ok(None));
    }

    #[test]
    fn a_frame_of_analytics_tells_it_too_and_the_last_counts() {
        let position = |x: f64| {
            format!(
                "<tt:Frame UtcTime=\"2001-09-09T01:46:40Z\"><tt:PTZStatus><tt:Position><tt:PanTilt x=\"{x}\" y=\"0\"/>\
                 </tt:Position></tt:PTZStatus></tt:Frame>"
            )
        };
        let document = stream(&format!(
            "<tt:VideoAnalytics>{}{}</tt:VideoAnalytics><tt:Event/>",
            position(0.1),
            position(0.2)
        ));
        assert_eq!(read(&document).unwrap().unwrap().pan, Some(36.0));
        assert_eq!(read(&stream("<tt:Event/>")), Ok(None));
    }

    #[test]
    fn what_is_wrong_is_named() {
        let told = |document: &str| read(document).unwrap_err().to_string();
        assert!(told("<a>").starts_with("it is no well-formed XML"));
        assert!(told(&status("")[..90]).starts_with("it is no well-formed XML"));
        assert!(told("<html/>").contains("\"html\" where MetadataStream"));
        let nan = status("<tt:PanTilt x=\"NaN\" y=\"0\"/>");
        assert_eq!(told(&nan), "line 2: the pan is \"NaN\" where a number is needed");
        let lens = status(
            "<tt:Zoom x=\"35\" space=\"http://www.onvif.org/ver10/tptz/ZoomSpaces/PositionSpaceMillimeter\"/>",
        );
        assert!(told(&lens).contains("PositionSpaceMillimeter cannot be told"));
        let mut bomb = String::from("<!DOCTYPE a [<!ENTITY a \"x\">");
        (0..12).for_each(|_| bomb.push_str("<!ENTITY b \"&a;&a;&a;&a;&a;&a;&a;\">"));
        bomb.push_str("]><a>&b;</a>");
        assert!(read(&bomb).is_err(), "entities are not expanded without bounds");
    }
}
