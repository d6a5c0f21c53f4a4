"""How followers and monthly recurring revenue go on in the next four weeks."""
