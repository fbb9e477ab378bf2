//! What is wrong with bad files.

use super::Rules;
use super::tests::PLACES;

#[test]
fn bad_files_are_told_apart() {
    let zone = |rest: &str| format!(r#""zones": [{{"name": "z", {rest}}}]"#);
    let line = |rest: &str| format!(r#""lines": [{{"name": "l", {rest}}}]"#);
    let rule = |rest: &str| format!(r#"{PLACES}, "rules": [{{"name": "r", {rest}}}]"#);
    let nested = format!("{}{}{}", r#"{"not": "#.repeat(40), "1", "}".repeat(40));
    let cases = [
        (zone(r#""polygon": [[0, 0], [1, 1], [1, 0], [0, 1]]"#), "zones[0].polygon crosses or touches itself: the edges after points 0 and 2 meet"),
        (zone(r#""polygon": [[0, 0], [1, 1]]"#), "zones[0].polygon has 2 points, at least 3 are needed"),
        (zone(r#""polygon": [[0, 0], [0.5, 0], [1, 0]]"#), "zones[0].polygon has no area: its points lie on one line"),
        (zone(r#""polygon": [[-0.5, 0], [-0.1, 0], [-0.1, 1]]"#), "zones[0].polygon lies outside of the frame"),
        (zone(r#""polygon": [[100, 0], [200, 0], [200, 300]]"#), "zones[0].polygon[0][0] is 100, outside of -1 to 2; coordinates are in units of the frame"),
        (zone(r#""polygn": [[0, 0], [1, 0], [1, 1]]"#), "zones[0] has the unknown key \"polygn\"; did you mean \"polygon\"?"),
        (zone(r#""anchor": "centre", "polygon": [[0, 0], [1, 0], [1, 1]]"#), "zones[0].anchor is \"centre\", which is none; did you mean \"center\"?"),
        (zone(r#""inverse": true"#), "zones[0] needs either \"polygon\" or \"ellipse\""),
        (zone(r#""ellipse": {"center": [0.5, 0.5], "radii": [0, 1]}"#), "zones[0].ellipse.radii[0] is 0, outside of 0.0001 to 2"),
        (zone(r#""polygon": [[0, 0], [1, 0], [1, 1]], "grace": -1"#), "zones[0].grace is -1, outside of 0 to 604800"),
        (zone(r#""polygon": [[0, 0], [1, 0], [1, 1]], "overlap": 0.5"#), "zones[0].overlap is for \"anchor\": \"overlap\" only"),
        (r#""zones": [{"name": "a b"}]"#.to_owned(), "zones[0].name \"a b\" has ' '; names have letters, digits, _ and - only"),
        (line(r#""points": [[0.5, 0.5], [0.5, 0.5]]"#), "lines[0].points has a part of no length: points 0 and 1 are the same"),
        (line(r#""points": [[0.5, 0.5]]"#), "lines[0].points has 1 points, at least 2 are needed"),
        (line(r#""points": [[0.5, 0], [0.5, 1]], "mode": "stric""#), "lines[0].mode is \"stric\", which is none; did you mean \"strict\"?"),
        (line(r#""points": [[0.5, 0], [0.5, 1]], "anchor": "any""#), "lines[0].anchor is \"any\", which is none; known are center, bottom-center"),
        (rule(r#""when": "zone.yrd.occupancy > 1""#), "there is no signal \"zone.yrd.occupancy\"; did you mean \"zone.yard.occupancy\"?"),
        (rule(r#""when": "motion.level > 1""#), "there is no signal \"motion.level\" (a signal from outside is declared in \"signals\")"),
        (rule(r#""when": "object.age > 1""#), "\"object.age\" asks about one object: set \"per\": \"object\""),
        (rule(r#""per": "object", "when": "object.zone.yard.dwel > 1""#), "did you mean \"object.zone.yard.dwell\"?"),
        (rule(r#""when": "zone.yard.occupancy >""#), "rules[0].when \"zone.yard.occupancy >\": it ends where a signal or a number is wanted"),
        (rule(r#""when": {"all": []}"#), "rules[0].when.all is empty"),
        (rule(r#""when": {"all": ["1"], "not": "1"}"#), "rules[0].when needs one of \"all\", \"any\" and \"not\""),
        (rule(r#""when": 3"#), "rules[0].when is a number, wanted is an object"),
        (rule(&format!(r#""when": {nested}"#)), "nested more than 32 deep"),
        (rule(r#""when": "rule.r.active""#), "rules[0] asks about itself: r -> r"),
        (r#""rules": [{"name": "a", "when": "rule.b.active"}, {"name": "b", "when": "rule.c.count > 1"}, {"name": "c", "when": "rule.b.active"}]"#.to_owned(), "rules[1] asks about itself: b -> c -> b"),
        (r#""rules": [{"name": "a", "when": "1"}, {"name": "a", "when": "1"}]"#.to_owned(), "rules[1] is the second rule named \"a\""),
        (rule(r#""when": "1", "for": "2s""#), "rules[0].for is text, wanted is a number"),
        (rule(r#""when": "1", "for": 1e99"#), "rules[0].for is 1e99"),
        (r#""signals": [{"name": "zone.x"}]"#.to_owned(), "signals[0].name \"zone.x\" begins with \"zone.\", which is kept for facts"),
        (r#""rules": 3"#.to_owned(), "rules is a number, wanted is a list"),
        (line(r#""points": [[0.5, 0], [0.5, 1]], "forward": "backward""#), "lines[0].forward is \"backward\", which is another fact of a line"),
        (line(r#""points": [[0.5, 0], [0.5, 1]], "backward": "current""#), "lines[0].backward is \"current\", which is another fact"),
        (line(r#""points": [[0.5, 0], [0.5, 1]], "forward": "in", "backward": "in""#), "lines[0].backward is \"in\", which forward is called, too"),
        (line(r#""points": [[0.5, 0], [0.5, 1]], "classes": ["now", "then"]"#), "lines[0].classes has \"now\", which in facts of a line means on this frame"),
        (zone(r#""polygon": [[0, 0], [1, 0], [1, 1]], "classes": ["a b", "c", "a_b"]"#), "zones[0].classes[2] \"a_b\" and \"a b\" are one name in facts"),
        (rule(r#""when": "1", "per": "object", "classes": ["a", "a"]"#), "rules[0].classes[1] \"a\" and \"a\" are one name"),
    ];
    for (rest, said) in cases {
        let error = Rules::read(&format!(r#"{{"version": 1, {rest}}}"#)).expect_err(&rest).to_string();
        assert!(error.replace("1000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000", "1e99").contains(said), "{error}\n  instead of {said}");
        assert!(error.starts_with("line "), "{error}");
    }
    let classes: Vec<String> = (0..64).map(|i| format!("\"c{i}\"")).collect();
    let many = |count: usize| {
        let zone = |i| {
            let rest = format!(r#""polygon": [[0, 0], [1, 0], [1, 1]], "classes": [{}]"#, classes.join(", "));
            format!(r#"{{"name": "z{i}", {rest}}}"#)
        };
        let zones: Vec<String> = (0..count).map(zone).collect();
        Rules::read(&format!(r#"{{"version": 1, "zones": [{}]}}"#, zones.join(", ")))
    };
    assert!(many(40).is_ok());
    let said = many(41).unwrap_err().to_string();
    assert!(said.starts_with("line 1: makes 8284 facts, at most 8192 are possible"), "{said}");
    let outside = r#"{"version": 1, "signals": [{"name": "lobby:zone.door.occupancy"}],
        "rules": [{"name": "r", "when": "lobby:zone.door.occupancy > 0"}]}"#;
    assert!(Rules::read(outside).is_ok());
    let whole = |text: &str| Rules::read(text).unwrap_err().to_string();
    assert_eq!(whole("[]"), "line 1: is a list, wanted is an object");
    assert_eq!(whole("{}"), "line 1: has no \"version\"");
    assert!(whole(r#"{"version": 2}"#).contains("version is a version that cannot be read"));
    let two = "{\"version\": 1, \"zones\": [\n{\"name\": \"a\", \"polygon\": [[0, 0], [1, 0], [1, 1]]},\n{\"name\": \"a\", \"polygon\": [[0, 0], [1, 0], [1, 1]]}]}";
    assert_eq!(whole(two), "line 3: zones[1] is the second zone named \"a\": name one of them differently");
}
