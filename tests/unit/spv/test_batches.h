/* The second group of the program unit_chain: how the chain takes headers in. */
#ifndef SPV_TEST_BATCHES_H
#define SPV_TEST_BATCHES_H

/* Runs them; returns how many failed. */
int batch_tests(void);

#endif
