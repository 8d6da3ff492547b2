//! The policy author's tools: they agree with the gate and with each other, and the commands say so.

mod agree;
mod commands;
