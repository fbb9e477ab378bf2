//! Rules in an order in which each comes after those that it asks about.

use super::condition::{Condition, Number, Operand};
use super::define::Rule;
use super::file::rule_of;
use super::names::{Names, RULE};

/// An order of the rules, by their numbers.
///
/// # Errors
/// The number of a rule that asks about itself, in the end, and what is wrong with it.
pub(super) fn order(rules: &[Rule], names: &Names) -> Result<Vec<usize>, (usize, String)> {
    let needs: Vec<Vec<usize>> = rules.iter().map(|rule| needed(rule, names)).collect();
    let mut order: Vec<usize> = Vec::with_capacity(rules.len());
    while order.len() < rules.len() {
        let ready = |at: &usize| !order.contains(at) && needs[*at].iter().all(|need| order.contains(need));
        match (0..rules.len()).find(ready) {
            Some(at) => order.push(at),
            None => return Err(cycle(rules, &needs, &order)),
        }
    }
    Ok(order)
}

fn needed(rule: &Rule, names: &Names) -> Vec<usize> {
    let mut needs = Vec::new();
    rule.when.visit(&mut |operand| {
        if let Operand::Fact(fact) = operand {
            needs.extend(rule_of(fact, names));
        }
    });
    needs
}

/// A way from a rule back to itself, when none of those left is ready.
fn cycle(rules: &[Rule], needs: &[Vec<usize>], done: &[usize]) -> (usize, String) {
    let mut way: Vec<usize> = (0..rules.len()).find(|at| !done.contains(at)).into_iter().collect();
    loop {
        let last = way.last().copied().unwrap_or_default();
        let next = needs[last].iter().find(|need| !done.contains(need)).copied().unwrap_or(last);
        if let Some(from) = way.iter().position(|at| *at == next) {
            let names: Vec<&str> = way[from..].iter().chain([&next]).map(|at| &*rules[*at].name).collect();
            return (
                next,
                format!(
                    "asks about itself: {}; a rule may only ask about rules that do not ask about it",
                    names.join(" -> ")
                ),
            );
        }
        way.push(next);
    }
}

/// The rules in a new order, with what they ask about each other numbered anew.
pub(super) fn renumbered(mut rules: Vec<Rule>, order: &[usize], names: &Names) -> Vec<Rule> {
    let first = names.rules.first().copied().unwrap_or_default();
    for rule in &mut rules {
        change(&mut rule.when, &mut |operand| {
            if let Operand::Fact(fact) = operand
                && let Some(old) = rule_of(*fact, names)
                && let Some(new) = order.iter().position(|at| *at == old)
            {
                *fact = first + new * RULE.len() + (*fact - first) % RULE.len();
            }
        });
    }
    let mut rules: Vec<Option<Rule>> = rules.into_iter().map(Some).collect();
    order.iter().filter_map(|at| rules[*at].take()).collect()
}

fn change(condition: &mut Condition, to: &mut impl FnMut(&mut Operand)) {
    match condition {
        Condition::All(all) | Condition::Any(all) => all.iter_mut().for_each(|inner| change(inner, to)),
        Condition::Not(inner) => change(inner, to),
        Condition::Compare(a, _, b) => {
            change_number(a, to);
            change_number(b, to);
        }
        Condition::Known(number) => change_number(number, to),
    }
}

fn change_number(number: &mut Number, to: &mut impl FnMut(&mut Operand)) {
    match number {
        Number::Constant(_) => {}
        Number::Of(operand) => to(operand),
        Number::Both(both) => {
            change_number(&mut both.0, to);
            change_number(&mut both.2, to);
        }
    }
}
