"""What several command groups need: the operator's context, output, errors, and the readers they share."""
