"""Operations on a lab: checks, export, replay, fork, verification, dead letters."""
