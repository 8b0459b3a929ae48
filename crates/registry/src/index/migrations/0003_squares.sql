-- Sum over the classes of the squared probabilities: with it, every metric follows from the index. Runs are read again, once.
ALTER TABLE predictions ADD COLUMN probability_squares REAL;
UPDATE runs SET stamp = '';
