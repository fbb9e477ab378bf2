//! What objects and obstacles look like.

mod cycle;
mod obstacle;
mod pen;
mod person;
mod vehicle;

pub(super) use obstacle::{Obstacle, obstacles};

use super::camera::Camera;
use super::cast::{Actor, Class};
use super::shapes::Shapes;
use pen::Pen;

/// Adds an object as one more thing.
pub(super) fn draw(actor: &Actor, camera: &Camera, shapes: &mut Shapes) {
    let pen = &mut Pen::new(camera, shapes);
    match actor.class {
        Class::Person => person::draw(actor, pen),
        Class::Bicycle => cycle::draw(actor, pen),
        Class::Car => vehicle::car(actor, pen),
        Class::Bus => vehicle::bus(actor, pen),
    }
}
