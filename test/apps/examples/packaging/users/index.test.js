throw new Error('a test was packed');
