//! What a contract may see, ask and answer.
