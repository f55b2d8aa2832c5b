//! Where nodes and arrows stand: layers from top to bottom, boxes laid out first and then treated as one node. It must
//! not know shapes or colours.

use super::Graph;
use std::collections::BTreeMap;

/// Width and height of a node that is no box.
pub(super) const NODE: (f64, f64) = (196.0, 48.0);
/// Room inside a box, beside and below its nodes; above them stands its title.
const PAD: f64 = 18.0;
pub(super) const TITLE: f64 = 40.0;
/// Room between nodes of a layer, and between layers.
const GAP: (f64, f64) = (28.0, 36.0);
/// What an arrow takes where it passes a layer.
const PASS: f64 = 14.0;
/// An arrow that passes more layers is drawn straight.
const FAR: usize = 64;
/// How often the order and the places are improved.
const SWEEPS: usize = 12;

/// A rectangle: left, top, width, height.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Rect {
    pub x: f64,
    pub y: f64,
    pub w: f64,
    pub h: f64,
}

/// Where everything stands.
#[derive(Debug, Default)]
pub(super) struct Layout {
    /// By place in the graph's nodes.
    pub rects: Vec<Rect>,
    /// For each arrow the points that it passes.
    pub arrows: Vec<Vec<(f64, f64)>>,
    pub width: f64,
    pub height: f64,
}

pub(super) fn layout(graph: &Graph) -> Layout {
    let mut all = Layout { rects: vec![Rect::default(); graph.nodes.len()], ..Layout::default() };
    let mut routes = BTreeMap::new();
    let (width, height) = place(graph, None, &mut all.rects, &mut routes);
    (all.width, all.height) = (width, height);
    // Inner places are told from their box: an outer one always stands before its inner ones.
    for at in 0..graph.nodes.len() {
        if let Some(around) = graph.nodes[at].within {
            let outer = all.rects[around];
            all.rects[at].x += outer.x + PAD;
            all.rects[at].y += outer.y + TITLE;
        }
    }
    for arrow in &graph.arrows {
        let origin = graph.nodes[arrow.0].within.map(|around| all.rects[around]);
        let (dx, dy) = origin.map_or((0.0, 0.0), |outer| (outer.x + PAD, outer.y + TITLE));
        let route: &Vec<(f64, f64)> = &routes[arrow];
        all.arrows.push(route.iter().map(|(x, y)| (x + dx, y + dy)).collect());
    }
    all
}

type Routes = BTreeMap<(usize, usize), Vec<(f64, f64)>>;

/// Lays out what is directly inside a box, from its own corner; its size.
fn place(graph: &Graph, around: Option<usize>, rects: &mut [Rect], routes: &mut Routes) -> (f64, f64) {
    let members: Vec<usize> = graph.inside(around).collect();
    for &at in &members {
        let (w, h) = if graph.is_box(at) {
            let (w, h) = place(graph, Some(at), rects, routes);
            (w.max(NODE.0).max(title(graph, at)) + 2.0 * PAD, h + TITLE + PAD)
        } else {
            NODE
        };
        rects[at] = Rect { x: 0.0, y: 0.0, w, h };
    }
    let mut level = Level::new(graph, &members, rects);
    level.improve();
    level.finish(rects, routes)
}

/// About how wide a box's title is drawn.
fn title(graph: &Graph, at: usize) -> f64 {
    let node = &graph.nodes[at];
    node.name.chars().count().min(26) as f64 * 8.2 + node.what.chars().count().min(48) as f64 * 6.3
}

/// One thing in a layer: a node, or an arrow that passes.
#[derive(Debug, Clone)]
struct Item {
    node: Option<usize>,
    layer: usize,
    w: f64,
    /// Its middle.
    x: f64,
    /// Its place in its layer.
    place: usize,
    up: Vec<usize>,
    down: Vec<usize>,
}

struct Level {
    items: Vec<Item>,
    layers: Vec<Vec<usize>>,
    /// For each arrow the items on its way.
    ways: Vec<((usize, usize), Vec<usize>)>,
    heights: Vec<f64>,
}

impl Level {
    fn new(graph: &Graph, members: &[usize], rects: &[Rect]) -> Self {
        let inside: BTreeMap<usize, usize> =
            members.iter().enumerate().map(|(item, at)| (*at, item)).collect();
        let arrows: Vec<(usize, usize)> = graph
            .arrows
            .iter()
            .copied()
            .filter(|(from, to)| inside.contains_key(from) && inside.contains_key(to))
            .collect();
        let mut items: Vec<Item> = members
            .iter()
            .map(|at| Item {
                node: Some(*at),
                layer: 0,
                w: rects[*at].w,
                x: 0.0,
                place: 0,
                up: Vec::new(),
                down: Vec::new(),
            })
            .collect();
        // Members stand in an order in which they could run, so one pass finds the longest way to each.
        let mut into: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for (from, to) in &arrows {
            into.entry(inside[to]).or_default().push(inside[from]);
        }
        for item in 0..items.len() {
            let above = into.get(&item).into_iter().flatten().map(|from| items[*from].layer + 1);
            items[item].layer = above.max().unwrap_or(0);
        }
        let count = items.iter().map(|item| item.layer + 1).max().unwrap_or(0);
        let mut ways = Vec::new();
        for arrow in arrows {
            let (from, to) = (inside[&arrow.0], inside[&arrow.1]);
            let mut way = vec![from];
            let passed = items[from].layer + 1..items[to].layer;
            for layer in passed.clone().filter(|_| passed.len() <= FAR) {
                items.push(Item {
                    node: None,
                    layer,
                    w: PASS,
                    x: 0.0,
                    place: 0,
                    up: Vec::new(),
                    down: Vec::new(),
                });
                way.push(items.len() - 1);
            }
            way.push(to);
            for pair in way.windows(2) {
                items[pair[0]].down.push(pair[1]);
                items[pair[1]].up.push(pair[0]);
            }
            ways.push((arrow, way));
        }
        let mut layers = vec![Vec::new(); count];
        let mut heights = vec![0.0_f64; count];
        for (at, item) in items.iter().enumerate() {
            layers[item.layer].push(at);
            let height = item.node.map_or(0.0, |node| rects[node].h);
            heights[item.layer] = heights[item.layer].max(height);
        }
        Self { items, layers, ways, heights }
    }

    /// Orders each layer by what its things hang on, then moves them towards it.
    fn improve(&mut self) {
        for layer in 0..self.layers.len() {
            self.note_places(layer);
        }
        for sweep in 0..SWEEPS {
            let down = sweep % 2 == 0;
            for layer in self.sweep(down) {
                let rank = |level: &Self, item: usize| -> f64 {
                    let near = if down { &level.items[item].up } else { &level.items[item].down };
                    let own = level.items[item].place as f64;
                    if near.is_empty() {
                        own
                    } else {
                        near.iter().map(|other| level.share(*other)).sum::<f64>() / near.len() as f64
                            * level.layers[layer].len() as f64
                    }
                };
                let mut order: Vec<(f64, usize)> =
                    self.layers[layer].iter().map(|item| (rank(self, *item), *item)).collect();
                order.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
                self.layers[layer] = order.into_iter().map(|(_, item)| item).collect();
                self.note_places(layer);
            }
        }
        for layer in 0..self.layers.len() {
            self.pack(layer, |_, _| None);
        }
        for sweep in 0..SWEEPS {
            let down = sweep % 2 == 0;
            for layer in self.sweep(down) {
                self.pack(layer, |level, item| {
                    let near: Vec<f64> = level.items[item]
                        .up
                        .iter()
                        .chain(&level.items[item].down)
                        .map(|other| level.items[*other].x)
                        .collect();
                    (!near.is_empty()).then(|| near.iter().sum::<f64>() / near.len() as f64)
                });
            }
        }
    }

    fn sweep(&self, down: bool) -> Vec<usize> {
        let layers = 0..self.layers.len();
        if down { layers.collect() } else { layers.rev().collect() }
    }

    fn note_places(&mut self, layer: usize) {
        for (place, item) in self.layers[layer].iter().enumerate() {
            self.items[*item].place = place;
        }
    }

    /// Its place in its layer as a share of the whole.
    fn share(&self, item: usize) -> f64 {
        let item = &self.items[item];
        (item.place as f64 + 0.5) / self.layers[item.layer].len() as f64
    }

    /// Puts a layer's things where they want to be, as far as their neighbours let them: what overlaps is pushed apart
    /// around its common middle.
    fn pack(&mut self, layer: usize, wish: impl Fn(&Self, usize) -> Option<f64>) {
        let order = self.layers[layer].clone();
        let wishes: Vec<f64> =
            order.iter().map(|item| wish(self, *item).unwrap_or(self.items[*item].x)).collect();
        // Groups of things that touch: sum of (wish − offset), count, width so far.
        let mut groups: Vec<(f64, f64, f64, Vec<usize>)> = Vec::new();
        for (item, wish) in order.iter().zip(wishes) {
            let w = self.items[*item].w;
            let mut group = (wish - w / 2.0, 1.0, w, vec![*item]);
            while let Some(mut last) =
                groups.pop_if(|last| last.0 / last.1 + last.2 + GAP.0 > group.0 / group.1)
            {
                let offset = last.2 + GAP.0;
                last.0 += group.0 - offset * group.1;
                last.1 += group.1;
                last.2 += GAP.0 + group.2;
                last.3.append(&mut group.3);
                group = last;
            }
            groups.push(group);
        }
        for (sum, count, _, members) in groups {
            let mut left = sum / count;
            for item in members {
                let w = self.items[item].w;
                self.items[item].x = left + w / 2.0;
                left += w + GAP.0;
            }
        }
    }

    /// Writes places and ways down, from the corner of what is laid out; its size.
    fn finish(&self, rects: &mut [Rect], routes: &mut Routes) -> (f64, f64) {
        let edge = |item: &Item, side: f64| item.x + side * item.w / 2.0;
        let left = self.items.iter().map(|item| edge(item, -1.0)).fold(f64::INFINITY, f64::min);
        let right = self.items.iter().map(|item| edge(item, 1.0)).fold(f64::NEG_INFINITY, f64::max);
        if self.items.is_empty() {
            return (0.0, 0.0);
        }
        let mut tops = Vec::new();
        let mut y = 0.0;
        for height in &self.heights {
            tops.push(y);
            y += height + GAP.1;
        }
        for item in &self.items {
            if let Some(node) = item.node {
                let rect = &mut rects[node];
                rect.x = item.x - left - rect.w / 2.0;
                rect.y = tops[item.layer] + (self.heights[item.layer] - rect.h) / 2.0;
            }
        }
        for (arrow, way) in &self.ways {
            let mut points = Vec::new();
            for (index, item) in way.iter().enumerate() {
                let item = &self.items[*item];
                let x = item.x - left;
                match item.node {
                    Some(node) if index == 0 => points.push((x, rects[node].y + rects[node].h)),
                    Some(node) => points.push((x, rects[node].y)),
                    None => {
                        points.push((x, tops[item.layer]));
                        points.push((x, tops[item.layer] + self.heights[item.layer]));
                    }
                }
            }
            routes.insert(*arrow, points);
        }
        (right - left, y - GAP.1)
    }
}
