select queue, name, n from tally
