//! Optimal assignment on sparse costs.
//!
//! Rows are added one after the other, each with the columns it may take and what they cost. A row that
//! is better off alone stays alone: taking no column costs [`Assignment::UNMATCHED`], so among all partial
//! matchings the one found has the least sum of `cost - UNMATCHED` over its pairs.
//!
//! Method: successive shortest augmenting paths with dual variables, a Dijkstra search a row, as in
//! Jonker and Volgenant, "A shortest augmenting path algorithm for dense and sparse linear assignment
//! problems", Computing 38, 1987. Each row's private "no column" ends a path like a free column does.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

const NONE: usize = usize::MAX;

/// The solver and its scratch memory, which is kept: once the largest problem has been seen, solving
/// allocates nothing.
#[derive(Debug, Default)]
pub(crate) struct Assignment {
    edges: Vec<Edge>,
    /// Where each row's edges begin, and the end of the last.
    starts: Vec<usize>,
    column_price: Vec<f64>,
    row_price: Vec<f64>,
    column_of_row: Vec<usize>,
    row_of_column: Vec<usize>,
    search: Search,
}

#[derive(Clone, Copy, Debug)]
struct Edge {
    column: usize,
    cost: f64,
}

/// One Dijkstra search over the columns.
#[derive(Debug, Default)]
struct Search {
    heap: BinaryHeap<Reached>,
    distance: Vec<f64>,
    /// The row from which each column was reached.
    parent: Vec<usize>,
    settled: Vec<bool>,
    /// Columns whose distance was set, to be cleared afterwards.
    touched: Vec<usize>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Reached {
    distance: f64,
    column: usize,
}

impl Eq for Reached {}
impl PartialOrd for Reached {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Reached {
    /// Reversed, as `BinaryHeap` gives the greatest first; equal distances go by column.
    fn cmp(&self, other: &Self) -> Ordering {
        other.distance.total_cmp(&self.distance).then(other.column.cmp(&self.column))
    }
}

/// Where a search ends: on a free column, or on a row that gives its column up and stays alone.
enum End {
    Column(usize),
    Row(usize),
}

impl Assignment {
    /// The cost of leaving a row without a column.
    pub(crate) const UNMATCHED: f64 = 1.0;

    /// Starts a new problem with `columns` columns.
    pub(crate) fn clear(&mut self, columns: usize) {
        self.edges.clear();
        self.starts.clear();
        self.starts.push(0);
        self.column_price.clear();
        self.column_price.resize(columns, 0.0);
        self.row_of_column.clear();
        self.row_of_column.resize(columns, NONE);
    }

    /// Allows the row being built to take `column`, each column at most once a row. What costs
    /// [`Self::UNMATCHED`] or more, or is not a number, can never pay and is left out.
    pub(crate) fn allow(&mut self, column: usize, cost: f64) {
        if cost < Self::UNMATCHED && column < self.row_of_column.len() {
            self.edges.push(Edge { column, cost });
        }
    }

    /// Ends the row being built.
    pub(crate) fn end_row(&mut self) {
        self.starts.push(self.edges.len());
    }

    /// Solves the problem and gives the column of each row, by rising row, for those that have one.
    pub(crate) fn solve(&mut self) -> impl Iterator<Item = (usize, usize)> {
        let rows = self.starts.len().saturating_sub(1);
        self.column_of_row.clear();
        self.column_of_row.resize(rows, NONE);
        self.row_price.clear();
        self.row_price.resize(rows, 0.0);
        self.search.resize(self.row_of_column.len());
        for row in 0..rows {
            self.augment(row);
        }
        self.column_of_row.iter().copied().enumerate().filter(|&(_, column)| column != NONE)
    }

    fn augment(&mut self, row: usize) {
        let (end, length) = self.shortest_path(row);
        self.update_prices(row, length);
        self.flip(row, &end);
        self.search.reset();
    }

    /// The cheapest way to serve `row`, and its length in reduced costs.
    fn shortest_path(&mut self, row: usize) -> (End, f64) {
        let mut end = row;
        let mut length = f64::INFINITY;
        let (mut at, mut base) = (row, 0.0);
        loop {
            let alone = base + (Self::UNMATCHED - self.row_price[at]).max(0.0);
            if alone < length {
                (end, length) = (at, alone);
            }
            self.relax(at, base);
            let Some(next) = self.search.settle(length) else {
                return (End::Row(end), length);
            };
            match self.row_of_column[next.column] {
                NONE => return (End::Column(next.column), next.distance),
                owner => (at, base) = (owner, next.distance),
            }
        }
    }

    fn relax(&mut self, row: usize, base: f64) {
        for edge in &self.edges[self.starts[row]..self.starts[row + 1]] {
            let reduced = edge.cost - self.row_price[row] - self.column_price[edge.column];
            self.search.reach(edge.column, row, base + reduced.max(0.0));
        }
    }

    /// Keeps every reduced cost at or above zero, and those of matched pairs at zero.
    fn update_prices(&mut self, row: usize, length: f64) {
        self.row_price[row] += length;
        for &column in &self.search.touched {
            if !self.search.settled[column] {
                continue;
            }
            let slack = length - self.search.distance[column];
            self.column_price[column] -= slack;
            if let Some(price) = self.row_price.get_mut(self.row_of_column[column]) {
                *price += slack;
            }
        }
    }

    /// Hands columns over along the path back to `row`.
    fn flip(&mut self, row: usize, end: &End) {
        let mut column = match *end {
            End::Column(column) => column,
            End::Row(last) => std::mem::replace(&mut self.column_of_row[last], NONE),
        };
        while column != NONE {
            let taker = self.search.parent[column];
            self.row_of_column[column] = taker;
            let given_up = std::mem::replace(&mut self.column_of_row[taker], column);
            if taker == row {
                return;
            }
            column = given_up;
        }
    }
}

impl Search {
    fn resize(&mut self, columns: usize) {
        self.distance.clear();
        self.distance.resize(columns, f64::INFINITY);
        self.parent.resize(columns, NONE);
        self.settled.clear();
        self.settled.resize(columns, false);
        self.touched.clear();
        self.heap.clear();
    }

    fn reach(&mut self, column: usize, row: usize, distance: f64) {
        if distance >= self.distance[column] {
            return;
        }
        if self.distance[column] == f64::INFINITY {
            self.touched.push(column);
        }
        self.distance[column] = distance;
        self.parent[column] = row;
        self.heap.push(Reached { distance, column });
    }

    /// The nearest column that is not settled yet and nearer than `limit`.
    fn settle(&mut self, limit: f64) -> Option<Reached> {
        while let Some(next) = self.heap.pop() {
            if next.distance >= limit {
                return None;
            }
            if !self.settled[next.column] {
                self.settled[next.column] = true;
                return Some(next);
            }
        }
        None
    }

    fn reset(&mut self) {
        for column in self.touched.drain(..) {
            self.distance[column] = f64::INFINITY;
            self.settled[column] = false;
        }
        self.heap.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn solve(costs: &[Vec<Option<f64>>]) -> Vec<(usize, usize)> {
        let mut solver = Assignment::default();
        solve_with(&mut solver, costs)
    }

    fn solve_with(solver: &mut Assignment, costs: &[Vec<Option<f64>>]) -> Vec<(usize, usize)> {
        solver.clear(costs.first().map_or(0, Vec::len));
        for row in costs {
            for (column, cost) in row.iter().enumerate() {
                if let Some(cost) = cost {
                    solver.allow(column, *cost);
                }
            }
            solver.end_row();
        }
        solver.solve().collect()
    }

    /// The least sum of `cost - UNMATCHED`, by trying everything.
    fn brute_force(costs: &[Vec<Option<f64>>], used: u32) -> f64 {
        let Some((row, rest)) = costs.split_first() else { return 0.0 };
        let options = row.iter().enumerate().filter_map(|(column, cost)| {
            let free = used & (1 << column) == 0;
            cost.filter(|_| free).map(|c| c - 1.0 + brute_force(rest, used | 1 << column))
        });
        options.fold(brute_force(rest, used), f64::min)
    }

    #[test]
    fn prefers_the_best_sum_over_the_best_pair() {
        let costs = [vec![Some(0.1), Some(0.2)], vec![Some(0.2), Some(0.9)]];
        assert_eq!(solve(&costs), [(0, 1), (1, 0)]);
    }

    #[test]
    fn a_row_stays_alone_when_that_costs_less() {
        assert_eq!(solve(&[vec![Some(0.5)], vec![Some(0.1)]]), [(1, 0)]);
        assert_eq!(solve(&[vec![Some(1.0)], vec![None], vec![Some(f64::NAN)]]), []);
        assert_eq!(solve(&[]), []);
    }

    proptest! {
        #[test]
        fn equals_brute_force(
            problems in prop::collection::vec((0usize..6, 0usize..6).prop_flat_map(|(rows, columns)| {
                prop::collection::vec(prop::collection::vec(prop::option::of(0.0..1.2), columns), rows)
            }), 1..4)
        ) {
            let mut solver = Assignment::default();
            for costs in problems {
                let pairs = solve_with(&mut solver, &costs);
                let mut columns: Vec<_> = pairs.iter().map(|p| p.1).collect();
                columns.sort_unstable();
                columns.dedup();
                prop_assert_eq!(columns.len(), pairs.len());
                let sum: f64 = pairs.iter().map(|&(r, c)| costs[r][c].unwrap() - 1.0).sum();
                prop_assert!((sum - brute_force(&costs, 0)).abs() < 1e-9);
            }
        }

        #[test]
        fn equal_costs_are_no_trouble(rows in 1usize..12, columns in 1usize..12) {
            let costs = vec![vec![Some(0.5); columns]; rows];
            prop_assert_eq!(solve(&costs).len(), rows.min(columns));
        }
    }
}
