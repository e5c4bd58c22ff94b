//! One file per operation: `run` parses what the operation needs, asks the engine, and responds.
