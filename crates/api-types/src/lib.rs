//! What the REST interface speaks: requests, responses and errors.
