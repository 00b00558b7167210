"""How much memory a recipe's training takes on a card, worked out before anything is started."""
