throw new Error('a draft was packed');
